//! The site as a visitor meets it, without a socket.

use duck::auth;
use duck::prelude::*;
use duck::testing::TestClient;

fn app() -> App {
    @CRATE_NAME@::app().setting("SESSION_STORAGE", "InMemoryCache")
}

/// A visitor's browser: it keeps its cookies.
async fn browser() -> TestClient {
    TestClient::start(app()).await
}

#[tokio::test]
async fn visits_are_counted() {
    let site = browser().await;
    assert!(site.get("/").await.text().contains("Visit 1"));
    assert!(site.get("/").await.text().contains("Visit 2"));
    assert!(site.another().get("/").await.text().contains("Visit 1"));
}

#[tokio::test]
async fn a_note_is_kept_and_shown_escaped() {
    let site = browser().await;
    let form = [("title", "Bread & <butter>"), ("text", "twice")];
    let list = site.post("/notes/new").form(&form).follow().await;
    assert_eq!(list.url(), "/notes/");
    assert!(list.text().contains("Your note is saved."));
    assert!(list.text().contains("Bread &amp; &lt;butter&gt;"));
    let note = site.get("/notes/1").await;
    assert!(note.text().contains("twice") && !note.text().contains("is saved"));
    assert!(
        site.get("/api/notes?q=Bread")
            .await
            .text()
            .contains("twice")
    );
    assert_eq!(site.another().get("/notes/1").await.status(), 404);
}

#[tokio::test]
async fn what_is_wrong_with_a_note_is_said_beside_its_fields() {
    let form = [("title", "  "), ("text", &"long ".repeat(101))];
    let page = browser().await.post("/notes/new").form(&form).await;
    assert_eq!(page.status(), 422);
    assert!(page.text().contains("must not be empty"));
    assert!(page.text().contains("must be at most 500 characters"));
    assert!(page.text().contains("long long"));
}

#[tokio::test]
async fn a_note_is_deleted_and_makes_room_for_another() {
    let site = browser().await;
    let form = [("title", "Bread"), ("text", "")];
    for _ in 0..20 {
        assert_eq!(site.post("/notes/new").form(&form).await.status(), 303);
    }
    let full = site.post("/notes/new").form(&form).await;
    assert!(full.text().contains("There is no room"));
    assert_eq!(site.post("/notes/20/delete").await.status(), 303);
    assert_eq!(site.get("/notes/20").await.status(), 404);
    assert_eq!(site.post("/notes/new").form(&form).await.status(), 303);
}

#[tokio::test]
async fn what_is_not_there_is_a_404() {
    let site = browser().await;
    for path in ["/notes/1", "/notes/bread", "/nowhere"] {
        assert_eq!(site.get(path).await.status(), 404, "{path}");
    }
    assert_eq!(site.post("/notes/1/delete").await.status(), 404);
}

#[tokio::test]
async fn only_the_owner_logs_in_and_sees_the_account() {
    let hash = auth::hash("quack quack quack").await.unwrap();
    let site = TestClient::start(app().setting("OWNER_PASSWORD_HASH", hash)).await;
    let page = site.get("/account").await;
    assert_eq!(page.header("location"), Some("/login?next=/account"));

    for (name, password) in [("owner", "quack"), ("nobody", "quack quack quack")] {
        let form = [("name", name), ("password", password)];
        let page = site.post("/login").form(&form).await;
        assert_eq!(page.status(), 422);
        assert!(page.text().contains("The name or the password is wrong."));
    }
    let form = [("name", "owner"), ("password", "quack quack quack")];
    let page = site.post("/login?next=/account").form(&form).follow().await;
    assert!(page.text().contains("Hello, owner"));

    site.post("/logout").await;
    assert_eq!(site.get("/account").await.status(), 303);
}

#[tokio::test]
async fn nobody_logs_in_before_there_is_a_password() {
    let site = browser().await;
    assert!(site.get("/login").await.text().contains("duck password"));
    let form = [("name", "owner"), ("password", "owner")];
    assert_eq!(site.post("/login").form(&form).await.status(), 422);
}

#[tokio::test]
async fn the_style_sheet_and_the_icon_are_served() {
    let site = browser().await;
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
