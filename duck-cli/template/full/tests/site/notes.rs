//! Notes: their pages, and who may see them.

use crate::database::Database;
use crate::{log_in, sign_up};

#[tokio::test]
async fn a_note_is_kept_and_shown_escaped_in_every_process() {
    let database = Database::new().await;
    let site = sign_up(database.browser().await, "Ada").await;
    let form = [
        ("title", "Bread & <butter>"),
        ("body", "twice; DROP TABLE notes"),
    ];
    let page = site.post("/notes/new").form(&form).follow().await;
    assert!(page.text().contains("Your note is saved."));
    assert!(page.text().contains("Bread &amp; &lt;butter&gt;"));
    let another = log_in(database.browser().await, "ada").await;
    let list = another.get("/notes/").await;
    assert!(list.text().contains("Bread &amp; &lt;butter&gt;") && list.text().contains("Welcome"));
}

#[tokio::test]
async fn a_note_is_changed_and_deleted() {
    let database = Database::new().await;
    let site = sign_up(database.browser().await, "Ada").await;
    let form = [("title", "Bread"), ("body", "")];
    let page = site.post("/notes/new").form(&form).follow().await;
    let url = page.url().to_owned();
    let edit = format!("{url}/edit");
    assert!(site.get(&edit).await.text().contains(r#"value="Bread""#));
    site.post(&edit)
        .form(&[("title", "Butter"), ("body", "")])
        .await;
    assert!(site.get(&url).await.text().contains("Butter"));
    site.post(&format!("{url}/delete")).await;
    assert_eq!(site.get(&url).await.status(), 404);
    assert_eq!(site.post(&format!("{url}/delete")).await.status(), 404);
}

#[tokio::test]
async fn the_note_of_another_is_a_404() {
    let database = Database::new().await;
    let ada = sign_up(database.browser().await, "Ada").await;
    let form = [("title", "Mine"), ("body", "")];
    let page = ada.post("/notes/new").form(&form).follow().await;
    let url = page.url();
    let bob = sign_up(ada.another(), "Bob").await;
    assert_eq!(bob.get(url).await.status(), 404);
    let form = [("title", "Bob's"), ("body", "")];
    let edit = bob.post(&format!("{url}/edit")).form(&form).await;
    assert_eq!(edit.status(), 404);
    assert_eq!(bob.post(&format!("{url}/delete")).await.status(), 404);
    assert!(!bob.get("/notes/").await.text().contains("Mine"));
    assert!(ada.get(url).await.text().contains("Mine"));
}

#[tokio::test]
async fn what_is_wrong_with_a_note_is_said_beside_its_fields() {
    let database = Database::new().await;
    let site = sign_up(database.browser().await, "Ada").await;
    let form = [("title", "  "), ("body", "kept <b>")];
    let page = site.post("/notes/new").form(&form).await;
    assert_eq!(page.status(), 422);
    assert!(page.text().contains("must not be empty"));
    assert!(page.text().contains("kept &lt;b&gt;"));
    let form = [("title", "x".repeat(201)), ("body", String::new())];
    let page = site.post("/notes/new").form(&form).await;
    assert!(page.text().contains("must be at most 200 characters"));
}

#[tokio::test]
async fn notes_ask_for_a_login_and_go_on_from_there() {
    let database = Database::new().await;
    let site = database.browser().await;
    let page = site.get("/notes/new").await;
    assert_eq!(page.header("location"), Some("/login?next=/notes/new"));
    let site = sign_up(site, "Ada").await.another();
    let form = [("name", "Ada"), ("password", crate::PASSWORD)];
    let page = site.post("/login?next=/notes/new").form(&form).await;
    assert_eq!(page.header("location"), Some("/notes/new"));
    for path in [
        "/notes/99",
        "/notes/bread",
        "/notes/99999999999999999999",
        "/nowhere",
    ] {
        assert_eq!(site.get(path).await.status(), 404, "{path}");
    }
}
