//! The site as a visitor meets it, without a socket.

use duck::testing::TestClient;

/// A visitor's browser: it keeps its cookies.
async fn browser() -> TestClient {
    TestClient::start(@CRATE_NAME@::app().setting("SESSION_STORAGE", "InMemoryCache")).await
}

#[tokio::test]
async fn visits_are_counted() {
    let site = browser().await;
    assert!(site.get("/").await.text().contains("Visit 1"));
    assert!(site.get("/").await.text().contains("Visit 2"));
}

#[tokio::test]
async fn a_note_is_kept_and_shown_escaped() {
    let site = browser().await;
    let form = [("title", "Bread & <butter>")];
    let answer = site.post("/notes/new").form(&form).await;
    assert_eq!(answer.status(), 303);
    let note = site.get("/notes/1").await;
    assert_eq!(note.status(), 200);
    assert!(note.text().contains("Bread &amp; &lt;butter&gt;"));
    let found = site.get("/api/notes?q=Bread").await;
    assert!(found.text().contains("Bread"));
}

#[tokio::test]
async fn a_note_without_a_title_is_asked_for_again() {
    let form = [("title", "  ")];
    let answer = browser().await.post("/notes/new").form(&form).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.text().contains("A note needs a title."));
}

#[tokio::test]
async fn what_is_not_there_is_a_404() {
    let site = browser().await;
    assert_eq!(site.get("/notes/1").await.status(), 404);
    assert_eq!(site.get("/notes/bread").await.status(), 404);
    assert_eq!(site.get("/nowhere").await.status(), 404);
}

#[tokio::test]
async fn logging_out_forgets_everything() {
    let site = browser().await;
    site.get("/").await;
    site.post("/login").form(&[("name", "Ada")]).await;
    let home = site.get("/").await;
    assert!(home.text().contains("Hello Ada.") && home.text().contains("Visit 2"));
    site.post("/logout").await;
    let home = site.get("/").await;
    assert!(!home.text().contains("Ada") && home.text().contains("Visit 1"));
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
