//! The site as a visitor meets it, without a socket, each test on a database of its own.

mod accounts;
mod database;
mod notes;
mod shop;

use duck::testing::TestClient;

use crate::database::Database;

const PASSWORD: &str = "quack quack quack";

/// A visitor who has signed up, and so is logged in.
async fn sign_up(site: TestClient, name: &str) -> TestClient {
    let form = [("name", name), ("password", PASSWORD)];
    let page = site.post("/sign-up").form(&form).await;
    assert_eq!(page.header("location"), Some("/notes/"));
    site
}

/// A visitor who has signed up elsewhere.
async fn log_in(site: TestClient, name: &str) -> TestClient {
    let form = [("name", name), ("password", PASSWORD)];
    let page = site.post("/login").form(&form).await;
    assert_eq!(page.header("location"), Some("/notes/"));
    site
}

#[tokio::test]
async fn visits_are_counted() {
    let database = Database::new().await;
    let site = database.browser().await;
    assert!(site.get("/").await.text().contains("Visit 1"));
    assert!(site.get("/").await.text().contains("Visit 2"));
}

#[tokio::test]
async fn logging_out_forgets_everything() {
    let database = Database::new().await;
    let site = database.browser().await;
    site.get("/").await;
    let site = sign_up(site, "Ada").await;
    let home = site.get("/").await;
    assert!(home.text().contains("Log out Ada") && home.text().contains("Visit 2"));
    site.post("/logout").await;
    let home = site.get("/").await;
    assert!(!home.text().contains("Ada") && home.text().contains("Visit 1"));
}

#[tokio::test]
async fn every_page_says_how_long_it_took() {
    let database = Database::new().await;
    let site = database.browser().await;
    let about = site.get("/about").await;
    assert!(about.text().contains("About @NAME@"));
    assert!(about.header("x-took").is_some());
    assert_eq!(site.post("/about").await.status(), 405);
}

#[tokio::test]
async fn the_style_sheet_and_the_icon_are_served() {
    let database = Database::new().await;
    let site = database.browser().await;
    let home = site.get("/").await;
    for (path, holds) in [
        ("/static/css/site.css", "color-scheme"),
        ("/static/favicon.svg", "<svg"),
    ] {
        assert!(home.text().contains(path));
        let file = site.get(path).await;
        assert_eq!(file.status(), 200);
        assert!(file.text().contains(holds));
    }
}
