//! The names of every template.

use super::*;

#[tokio::test]
async fn a_page_is_a_template_with_the_views_values() {
    #[derive(serde::Serialize)]
    struct Note {
        title: &'static str,
    }
    async fn home(request: Request) -> Result<Response> {
        let notes = [Note { title: "Milk" }, Note { title: "<b>" }];
        let page = render(&request, "home.html", context! { notes, title => "Home" }).await?;
        assert_eq!(notes.len(), 2, "the view keeps what it gave");
        Ok(page)
    }
    let folder = folder(&[
        (
            "base.html",
            "<title>{% block title %}Site{% endblock %}</title>{% block main %}{% endblock %}",
        ),
        (
            "home.html",
            "{% extends 'base.html' %}{% from 'list.html' import items %}\
             {% block title %}{{ title }}{% endblock %}{% block main %}{{ items(notes) }}{% endblock %}",
        ),
        (
            "list.html",
            "{% macro items(all) %}{% for one in all %}<li>{{ one.title }}{% endfor %}{% endmacro %}",
        ),
    ]);
    let site = TestClient::start(app(&folder).urls([path("/", home)])).await;
    let page = site.get("/").await;
    assert_eq!(page.text(), "<title>Home</title><li>Milk<li>&lt;b&gt;");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(page.status(), 200);
    assert_eq!(page.header("vary"), None);
}

#[tokio::test]
async fn a_nonce_is_made_for_a_page_that_asks_and_stands_in_its_policy() {
    let text = "{% if request.path == '/' %}<script nonce=\"{{ csp_nonce() }}\"></script>\
                <style nonce=\"{{ csp_nonce() }}\"></style>{% endif %}";
    let folder = folder(&[("page.html", text)]);
    let urls = [path("/", page), path("/other", page)];
    let site = TestClient::start(app(&folder).urls(urls)).await;
    let page = site.get("/").await;
    let nonces: Vec<_> = page.text().split('"').skip(1).step_by(2).collect();
    assert_eq!((nonces.len(), nonces[0]), (2, nonces[1]));
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains(&format!("'nonce-{}'", nonces[0])),
        "{policy}"
    );
    assert_eq!(page.header("cache-control"), Some("private, no-cache"));
    let page = site.get("/other").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(!policy.contains("nonce"), "{policy}");
    assert_eq!(page.header("cache-control"), None);
}

#[tokio::test]
async fn urls_are_made_by_name_and_read_well() {
    async fn json(request: Request) -> Result<Response> {
        render(&request, "page.json", context! {}).await
    }
    async fn item(request: Request, _shop: String, _id: u32) -> Result<Response> {
        render(&request, "page.html", context! {}).await
    }
    let text = "{{ url('item', 'fish tea', 7) }} {{ url('home') }} {{ static('css/a b.css') }}";
    let folder = folder(&[("page.html", text), ("page.json", "{{ url('home') }}")]);
    let app = app(&folder)
        .setting("DEBUG", false)
        .with(duck::files::StaticFiles::new())
        .urls([
            path("/", page).name("home"),
            path("/json", json),
            path("/<shop>/<id>", item).name("item"),
        ]);
    let site = TestClient::start(app).await;
    let page = site.get("/").await;
    assert_eq!(page.text(), "/fish%20tea/7 / /static/css/a%20b.css");
    let json = site.get("/json").await;
    assert_eq!(
        (json.text(), json.header("content-type")),
        (r#""/""#, Some("application/json"))
    );
}

#[tokio::test]
async fn a_url_cannot_leave_its_attribute() {
    async fn search(request: Request, _text: String) -> Result<Response> {
        render(&request, "page.html", context! {}).await
    }
    let folder = folder(&[(
        "page.html",
        r#"<a href="{{ url('search', "'&") }}">{{ static('"><b>') }}"#,
    )]);
    let app = app(&folder)
        .setting("DEBUG", false)
        .with(duck::files::StaticFiles::new());
    let app = app.urls([path("/s/<text>", search).name("search")]);
    let site = TestClient::start(app).await;
    let page = site.get("/s/x").await;
    assert_eq!(
        page.text(),
        "<a href=\"/s/&#39;&amp;\">/static/%22%3E%3Cb%3E"
    );
}

#[tokio::test]
async fn wrong_urls_say_what_is_wrong_and_where() {
    for (template, expected) in [
        (
            "\n{{ url('hom') }}",
            "did you mean \"home\"? (template page.html:2)",
        ),
        ("{{ url('home', 7) }}", "(template page.html:1)"),
        (
            "{{ url('home', id=7) }}",
            "unexpected keyword arguments (template page.html:1)",
        ),
        (
            "{{ url('home', [7]) }}",
            "takes texts and numbers, not a value of type sequence",
        ),
        ("{{ url() }}", "missing argument"),
        ("{{ static() }}", "missing argument"),
        ("{{ csrf_field(1) }}", "too many arguments"),
    ] {
        let text = text_of(template).await;
        assert!(text.contains(expected), "{template}: {text}");
    }
}

#[tokio::test]
async fn the_request_is_seen() {
    let text = "{{ request.method }} {{ request.route }} {{ request.is_secure }} {{ request.host }}\
                {% if request.path == '/' %} here{% endif %}";
    assert_eq!(text_of(text).await, "GET home False testserver here");
}

#[tokio::test]
async fn now_is_a_time_that_can_be_written_in_other_ways() {
    let text = text_of("{{ now }} {{ now|datetimeformat(format='%Y') }}").await;
    let (time, year) = text.split_once(' ').unwrap();
    assert!(time.starts_with(year) && time.ends_with('Z'), "{text}");
    assert_eq!(
        text_of("{{ '2026-11-27T18:55:00Z'|datetimeformat }}").await,
        "Nov 27 2026 18:55"
    );
}

#[tokio::test]
async fn a_token_that_nobody_asks_for_is_nothing() {
    assert_eq!(
        text_of("<form>{{ csrf_field() }}</form>").await,
        "<form></form>"
    );
}

#[tokio::test]
async fn the_views_values_stand_before_ducks() {
    async fn view(request: Request) -> Result<Response> {
        render(&request, "page.html", context! { now => "never" }).await
    }
    let folder = folder(&[("page.html", "{{ now }}")]);
    let site = TestClient::start(app(&folder).urls([path("/", view)])).await;
    assert_eq!(site.get("/").await.text(), "never");
}

#[tokio::test]
async fn components_add_functions_and_filters() {
    let folder = folder(&[("page.html", "{{ price(1205) }} {{ 'quack'|shout }}")]);
    let app = app(&folder)
        .urls([path("/", page)])
        .with(async |setup: &mut Setup<'_>| {
            setup.template_function("price", |cents: u64| {
                format!("{}.{:02}", cents / 100, cents % 100)
            });
            setup.template_filter("shout", |text: String| text.to_uppercase());
            Ok(())
        });
    assert_eq!(
        TestClient::start(app).await.get("/").await.text(),
        "12.05 QUACK"
    );
}

#[tokio::test]
async fn included_and_imported_templates_see_the_names_too() {
    let folder = folder(&[
        (
            "page.html",
            "{% from 'm.html' import link %}{{ link() }}{% include 'part.html' %}{% block b %}{{ url('home') }}{% endblock %}",
        ),
        (
            "m.html",
            "{% macro link() %}{{ url('home') }}{% endmacro %}",
        ),
        ("part.html", "{{ url('home') }}"),
    ]);
    let site = TestClient::start(app(&folder).urls([path("/", page).name("home")])).await;
    assert_eq!(site.get("/").await.text(), "///");
}
