//! Error pages of the site's own: `errors/404.html`, else `errors/error.html`.

use duck::error::OrNotFound;
use duck::http::RequestError;

use super::*;

const BASE: &str =
    "<!doctype html><title>{{ title }}</title><nav>Our shop</nav>{% block main %}{% endblock %}";
const NOT_FOUND: &str =
    "{% extends 'base.html' %}{% block main %}{{ request.path }} is not here{% endblock %}";
const ERROR: &str = "{% extends 'base.html' %}{% block main %}{{ status }} {{ title }}\
    {% if message %}: {{ message }}{% endif %}{% if request_id %} ({{ request_id }}){% endif %}{% endblock %}";

async fn missing(_request: Request) -> Result<()> {
    None.or_404()
}

async fn broken(_request: Request) -> Result<()> {
    Err(Error::internal("the password is hush"))
}

async fn refused(_request: Request) -> Result<()> {
    let message = "<b>age</b> is no number";
    Err(RequestError::new(StatusCode::UNPROCESSABLE_ENTITY, message))?
}

/// A site with these templates, as visitors see it.
async fn site(templates: &[(&str, &str)]) -> (TestClient, TempDir) {
    let folder = folder(templates);
    let app = App::new(Settings::default())
        .with(Templates::on_disk([folder.path()]))
        .with(async |setup: &mut Setup<'_>| {
            setup.template_function("quarrel", || -> String { panic!("the function quarrels") });
            setup.template_value("cart", async |_: Request| -> Result<u32> {
                Err(Error::internal("the database is gone"))
            });
            Ok(())
        })
        .urls([
            path("/missing", missing),
            path("/broken", broken),
            path("/refused", refused),
        ]);
    (TestClient::start(app).await, folder)
}

async fn page_of(site: &TestClient, path: &str) -> (u16, String) {
    let page = site.get(path).header("accept", "text/html").await;
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    (page.status().as_u16(), page.text().to_owned())
}

#[tokio::test]
async fn the_template_of_the_status_comes_first_and_the_one_for_all_errors_next() {
    let all = [
        ("base.html", BASE),
        ("errors/404.html", NOT_FOUND),
        ("errors/error.html", ERROR),
    ];
    let (site, _folder) = site(&all).await;
    for path in ["/missing", "/nowhere"] {
        let (status, page) = page_of(&site, path).await;
        assert_eq!(status, 404);
        assert!(
            page.contains("<nav>Our shop</nav>") && page.contains(" is not here"),
            "{page}"
        );
    }
    let (status, page) = page_of(&site, "/refused").await;
    assert_eq!(status, 422);
    let message = "422 Unprocessable Entity: &lt;b&gt;age&lt;/b&gt; is no number";
    assert!(page.contains(message), "{page}");
    let (status, page) = page_of(&site, "/broken").await;
    assert_eq!(status, 500);
    assert!(
        page.contains("500 Internal Server Error (") && !page.contains("hush"),
        "{page}"
    );
}

#[tokio::test]
async fn what_a_visitor_wrote_is_no_markup_in_a_template_of_an_error() {
    let (site, _folder) = site(&[("base.html", BASE), ("errors/404.html", NOT_FOUND)]).await;
    let (status, page) = page_of(&site, "/%3Cscript%3E'").await;
    assert_eq!(status, 404);
    assert!(!page.contains("<script") && !page.contains('\''), "{page}");
}

#[tokio::test]
async fn a_site_without_the_template_and_a_client_without_html_get_duck_s_own() {
    let (site, _folder) = site(&[("base.html", BASE), ("errors/404.html", NOT_FOUND)]).await;
    let (_, page) = page_of(&site, "/broken").await;
    assert!(
        page.contains("<h1>500 Internal Server Error</h1>"),
        "{page}"
    );
    let problem = site
        .get("/missing")
        .header("accept", "application/json")
        .await;
    assert_eq!(
        problem.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(site.get("/missing").await.text(), "404 Not Found\n");
}

#[tokio::test]
async fn a_template_that_fails_makes_no_second_error_visible() {
    for wrong in [
        "{{ not_there }}",
        "{{ quarrel() }}",
        "{{ cart }}",
        "{% include 'none.html' %}",
    ] {
        let (site, _folder) = site(&[("errors/error.html", wrong)]).await;
        for (path, status, heading) in [
            ("/missing", 404, "<h1>404 Not Found</h1>"),
            ("/broken", 500, "<h1>500 Internal Server Error</h1>"),
        ] {
            let (got, page) = page_of(&site, path).await;
            assert_eq!(got, status, "{wrong}");
            assert!(page.contains(heading), "{wrong}: {page}");
            for hidden in ["not_there", "quarrel", "database", "none.html", "errors/"] {
                assert!(!page.contains(hidden), "{wrong}: {page}");
            }
        }
    }
}

#[tokio::test]
async fn the_debug_page_marks_the_line_of_the_template() {
    let template = "<h1>\n{{ titel }} <script>\n</h1>";
    let folder = folder(&[("page.html", template), ("errors/500.html", "ours")]);
    let site = TestClient::start(app(&folder).urls([path("/", page)])).await;
    let page = site.get("/").header("accept", "text/html").await;
    let marked = page.text().split("class=\"meant\"").nth(2).unwrap();
    assert!(marked.contains("{{ titel }} &lt;script&gt;"), "{marked}");
    assert!(page.text().contains("page.html:2") && !page.text().contains("<script>"));
    let text = site.get("/").await;
    assert!(text.text().contains("at page.html:2\n"), "{}", text.text());
}
