//! Every template is compiled when the site starts.

use super::*;

const BROKEN: &str = "<p>\n{% if x %}\n";

#[tokio::test]
async fn in_production_one_that_does_not_compile_stops_the_start() {
    let folder = folder(&[
        ("page.html", "fine"),
        ("shop/a.html", BROKEN),
        ("b.html", "{{ }}"),
    ]);
    let start = app(&folder)
        .setting("DEBUG", false)
        .urls([path("/", page)])
        .start()
        .await;
    let error = start.unwrap_err().to_string();
    let file = folder.path().join("b.html").display().to_string();
    assert!(
        error.starts_with(&format!("{file}:1: syntax error: ")),
        "{error}"
    );
    assert!(
        error.ends_with(" (and 1 more: `check` lists them)"),
        "{error}"
    );
}

#[tokio::test]
async fn in_development_the_site_goes_on_and_the_page_shows_it() {
    async fn broken(request: Request) -> Result<Response> {
        render(&request, "broken.html", context! {}).await
    }
    let folder = folder(&[("page.html", "fine"), ("broken.html", BROKEN)]);
    let app = app(&folder).urls([path("/", page), path("/broken", broken)]);
    let site = TestClient::start(app).await;
    assert_eq!(site.get("/").await.text(), "fine");
    let page = site.get("/broken").await;
    assert_eq!(page.status(), 500);
    assert!(
        page.text().contains("(template broken.html:2)"),
        "{}",
        page.text()
    );
    write(folder.path(), "broken.html", "mended");
    assert_eq!(site.get("/broken").await.text(), "mended");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let folder = folder(&[]);
    let missing = folder.path().join("templates");
    let app = |debug| {
        App::new(Settings::default().with("DEBUG", debug)).with(Templates::on_disk([&missing]))
    };
    let error = app(false).start().await.unwrap_err().to_string();
    let expected = format!(
        "the folder of templates {}/ cannot be read: ",
        missing.display()
    );
    assert!(error.starts_with(&expected), "{error}");
    app(true).start().await.unwrap();
}

#[tokio::test]
async fn what_is_no_text_is_named() {
    let folder = folder(&[("page.html", "fine")]);
    fs::write(folder.path().join("latin1.html"), b"caf\xe9").unwrap();
    let start = app(&folder).setting("DEBUG", false).start().await;
    let error = start.unwrap_err().to_string();
    assert!(
        error.contains("latin1.html") && error.contains("UTF-8"),
        "{error}"
    );
}

#[tokio::test]
async fn what_editors_leave_is_passed_over() {
    let folder = folder(&[
        ("page.html", "fine"),
        ("page.html~", BROKEN),
        (".page.html.swp", BROKEN),
        (".git/x.html", BROKEN),
    ]);
    app(&folder).setting("DEBUG", false).start().await.unwrap();
}
