//! What a page from a template asks of a session.

use duck::pages::Templates;
use duck::prelude::*;
use duck::testing::TestClient;
use duck_session::SessionMiddleware;
use tempfile::TempDir;

use crate::support::settings;

async fn page(request: Request, name: String) -> Result<Response> {
    render(&request, &name, context! {}).await
}

async fn leave(request: Request) -> Result<&'static str> {
    request.session.set("theme", "dark").await?;
    request
        .session
        .flash(FlashLevel::Success, "Saved <b>.")
        .await?;
    Ok("left")
}

/// A visitor who has a session with a message in it, and the templates of the site.
async fn visitor(templates: &[(&str, &str)]) -> (TestClient, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in templates {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let app = App::new(settings().with("DEBUG", true))
        .with(SessionMiddleware::new())
        .with(Templates::on_disk([folder.path()]))
        .with(async |setup: &mut Setup<'_>| {
            setup.template_value("user", async |request: Request| {
                Ok(request.session.get::<String>("theme").await?)
            });
            Ok(())
        })
        .urls([path("/leave", leave), path("/<name>", page)]);
    let site = TestClient::start(app).await;
    site.get("/leave").await;
    (site, folder)
}

const FLASHES: &str =
    "{% for flash in flashes() %}[{{ flash.level }}: {{ flash.message }}]{% endfor %}";

#[tokio::test]
async fn a_page_with_no_name_of_the_session_does_nothing_for_it() {
    let (site, _folder) =
        visitor(&[("plain.html", "{{ request.method }} {{ csrf_field() }}")]).await;
    let page = site.get("/plain.html").await;
    assert_eq!(page.text(), "GET ");
    assert_eq!(
        (page.header("vary"), page.header("cache-control")),
        (None, None)
    );
    assert!(page.set_cookies().is_empty());
}

#[tokio::test]
async fn messages_are_shown_once_and_escaped() {
    let (site, _folder) = visitor(&[("page.html", FLASHES)]).await;
    let page = site.get("/page.html").await;
    assert_eq!(page.text(), "[success: Saved &lt;b&gt;.]");
    assert_eq!(page.header("vary"), Some("Cookie"));
    assert_eq!(site.get("/page.html").await.text(), "");
}

#[tokio::test]
async fn a_message_is_not_used_up_by_a_branch_that_is_not_taken() {
    let branch = format!("{{% if user %}}hi{{% else %}}{FLASHES}{{% endif %}}");
    let (site, _folder) = visitor(&[("branch.html", &branch), ("page.html", FLASHES)]).await;
    assert_eq!(site.get("/branch.html").await.text(), "hi");
    assert_eq!(
        site.get("/page.html").await.text(),
        "[success: Saved &lt;b&gt;.]"
    );
}

#[tokio::test]
async fn a_message_is_not_used_up_by_a_block_that_is_replaced() {
    let base =
        format!("{{% block flashes %}}{FLASHES}{{% endblock %}}{{% block main %}}{{% endblock %}}");
    let child = "{% extends 'base.html' %}{% block flashes %}{% endblock %}{% block main %}main{% endblock %}";
    let (site, _folder) = visitor(&[("base.html", &base), ("child.html", child)]).await;
    let page = site.get("/child.html").await;
    assert_eq!((page.text(), page.header("vary")), ("main", None));
    assert_eq!(
        site.get("/base.html").await.text(),
        "[success: Saved &lt;b&gt;.]"
    );
}

#[tokio::test]
async fn a_macro_that_is_not_called_costs_no_session() {
    let macros = format!(
        "{{% macro who() %}}{{{{ session.theme }}}}{{% endmacro %}}{{% macro all() %}}{FLASHES}{{% endmacro %}}"
    );
    let (site, _folder) = visitor(&[
        ("m.html", &macros),
        ("none.html", "{% from 'm.html' import who, all %}none"),
        ("who.html", "{% from 'm.html' import who %}{{ who() }}"),
        ("all.html", "{% import 'm.html' as m %}{{ m.all() }}"),
    ])
    .await;
    let page = site.get("/none.html").await;
    assert_eq!((page.text(), page.header("vary")), ("none", None));
    let page = site.get("/who.html").await;
    assert_eq!((page.text(), page.header("vary")), ("dark", Some("Cookie")));
    assert_eq!(
        site.get("/all.html").await.text(),
        "[success: Saved &lt;b&gt;.]"
    );
}

#[tokio::test]
async fn a_page_sees_what_the_site_keeps_and_nothing_of_ducks() {
    let text = "{{ session.theme }} {{ session|list|join(',') }} {{ session.lang|default('en') }}";
    let (site, _folder) = visitor(&[("page.html", text)]).await;
    assert_eq!(site.get("/page.html").await.text(), "dark theme en");
    site.clear_cookies();
    let stranger = site.get("/page.html").await;
    assert_eq!(stranger.status(), 500);
    assert!(
        stranger.text().contains("`session.theme` is undefined"),
        "{}",
        stranger.text()
    );
}

#[tokio::test]
async fn a_page_that_fails_before_the_messages_leaves_them() {
    let wrong = format!("{{{{ nobody }}}}{FLASHES}");
    let (site, _folder) = visitor(&[("wrong.html", &wrong), ("page.html", FLASHES)]).await;
    assert_eq!(site.get("/wrong.html").await.status(), 500);
    assert_eq!(
        site.get("/page.html").await.text(),
        "[success: Saved &lt;b&gt;.]"
    );
}
