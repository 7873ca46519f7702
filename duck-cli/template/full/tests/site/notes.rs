//! Notes: their pages, and who may see them.

use duck::testing::TestClient;

use crate::database::Database;

/// A visitor who is logged in.
async fn login(site: TestClient, name: &str) -> TestClient {
    assert_eq!(
        site.post("/login").form(&[("name", name)]).await.status(),
        303
    );
    site
}

#[tokio::test]
async fn a_note_is_kept_and_shown_escaped_in_every_process() {
    let database = Database::new().await;
    let site = login(database.browser().await, "Ada").await;
    let form = [
        ("title", "Bread & <butter>"),
        ("body", "twice; DROP TABLE notes"),
    ];
    let page = site.post("/notes/new").form(&form).follow().await;
    assert!(page.text().contains("Bread &amp; &lt;butter&gt;"));
    let another = login(database.browser().await, "ada").await;
    let list = another.get("/notes/").await;
    assert!(list.text().contains("Bread &amp; &lt;butter&gt;") && list.text().contains("Welcome"));
}

#[tokio::test]
async fn a_note_is_changed_and_deleted() {
    let database = Database::new().await;
    let site = login(database.browser().await, "Ada").await;
    let page = site
        .post("/notes/new")
        .form(&[("title", "Bread")])
        .follow()
        .await;
    let url = page.url().to_owned();
    site.post(&format!("{url}/edit"))
        .form(&[("title", "Butter")])
        .await;
    assert!(site.get(&url).await.text().contains("Butter"));
    site.post(&format!("{url}/delete")).await;
    assert_eq!(site.get(&url).await.status(), 404);
    assert_eq!(site.post(&format!("{url}/delete")).await.status(), 404);
}

#[tokio::test]
async fn the_note_of_another_is_a_404() {
    let database = Database::new().await;
    let ada = login(database.browser().await, "Ada").await;
    let url = ada
        .post("/notes/new")
        .form(&[("title", "Mine")])
        .follow()
        .await
        .url()
        .to_owned();
    let bob = login(ada.another(), "Bob").await;
    assert_eq!(bob.get(&url).await.status(), 404);
    assert_eq!(
        bob.post(&format!("{url}/edit"))
            .form(&[("title", "Bob's")])
            .await
            .status(),
        404
    );
    assert_eq!(bob.post(&format!("{url}/delete")).await.status(), 404);
    assert!(!bob.get("/notes/").await.text().contains("Mine"));
    assert!(ada.get(&url).await.text().contains("Mine"));
}

#[tokio::test]
async fn a_note_without_a_title_is_asked_for_again() {
    let database = Database::new().await;
    let site = login(database.browser().await, "Ada").await;
    let form = [("title", "  "), ("body", "kept <b>")];
    let page = site.post("/notes/new").form(&form).await;
    assert!(
        page.text().contains("A note needs a title.") && page.text().contains("kept &lt;b&gt;")
    );
    let page = site
        .post("/notes/new")
        .form(&[("title", "x".repeat(201))])
        .await;
    assert!(page.text().contains("200 characters at most"));
}

#[tokio::test]
async fn what_is_not_there_is_a_404_and_what_needs_an_account_a_403() {
    let database = Database::new().await;
    let site = database.browser().await;
    assert_eq!(site.get("/notes/").await.status(), 403);
    let site = login(site, "Ada").await;
    for path in [
        "/notes/99",
        "/notes/bread",
        "/notes/99999999999999999999",
        "/nowhere",
    ] {
        assert_eq!(site.get(path).await.status(), 404, "{path}");
    }
}
