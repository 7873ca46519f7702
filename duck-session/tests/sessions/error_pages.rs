//! Error pages of a site's own templates, which show what is in the session.

use duck::error::OrNotFound;
use duck::pages::Templates;
use duck::testing::TestClient;
use duck::{App, Request, Response, Result, path, text};
use duck_session::SessionMiddleware;

use crate::support::settings;

const PAGE: &str = "{{ status }} for {{ session.name }}{% for flash in flashes() %}, {{ flash.message }}{% endfor %}";

async fn sign(request: Request) -> Result<Response> {
    request.session.set("name", "<Ann>").await?;
    request
        .session
        .flash(duck::session::FlashLevel::Success, "saved")
        .await?;
    Ok(text("signed"))
}

async fn missing(_request: Request) -> Result<()> {
    None.or_404()
}

async fn site(page: &str) -> (TestClient, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("errors")).unwrap();
    std::fs::write(folder.path().join("errors/error.html"), page).unwrap();
    let app = App::new(settings())
        .with(SessionMiddleware::new())
        .with(Templates::on_disk([folder.path()]))
        .urls([path("/sign", sign), path("/missing", missing)]);
    (TestClient::start(app).await, folder)
}

#[tokio::test]
async fn an_error_page_shows_the_session_and_its_flashes_once() {
    let (site, _folder) = site(PAGE).await;
    site.get("/sign").await;
    let page = site.get("/missing").header("accept", "text/html").await;
    assert_eq!(page.text(), "404 for &lt;Ann&gt;, saved");
    let vary: Vec<_> = page.headers().get_all("vary").iter().collect();
    assert_eq!(vary, ["Cookie", "Accept"]);
    let again = site.get("/nowhere").header("accept", "text/html").await;
    assert_eq!(again.text(), "404 for &lt;Ann&gt;");
}

#[tokio::test]
async fn an_error_page_that_does_not_use_the_session_costs_none() {
    let (site, _folder) = site("{{ status }}").await;
    let page = site.get("/missing").header("accept", "text/html").await;
    assert_eq!(page.text(), "404");
    assert_eq!(page.header("vary"), Some("Accept"));
    assert_eq!(page.set_cookies(), [""; 0]);
}

#[tokio::test]
async fn an_error_page_whose_session_has_no_such_key_is_the_built_in_one() {
    let (site, _folder) = site(PAGE).await;
    let page = site.get("/missing").header("accept", "text/html").await;
    assert_eq!(page.status(), 404);
    assert!(
        page.text().contains("<h1>404 Not Found</h1>"),
        "{}",
        page.text()
    );
}
