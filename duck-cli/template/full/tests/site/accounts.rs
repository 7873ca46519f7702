//! Accounts: their pages, and what is in the database.

use @CRATE_NAME@::{accounts, notes};

use crate::database::Database;
use crate::{PASSWORD, log_in, sign_up};

#[tokio::test]
async fn whoever_signs_up_logs_in_with_that_password_and_no_other() {
    let database = Database::new().await;
    let site = sign_up(database.browser().await, "Ada").await;
    assert!(site.get("/notes/").await.text().contains("Welcome, Ada."));
    let site = log_in(site.another(), "ada").await;
    assert_eq!(site.get("/notes/").await.status(), 200);
    for (name, password) in [("Ada", "quack"), ("Bob", PASSWORD)] {
        let form = [("name", name), ("password", password)];
        let page = site.another().post("/login").form(&form).await;
        assert_eq!(page.status(), 422);
        assert!(page.text().contains("The name or the password is wrong."));
    }
}

#[tokio::test]
async fn a_name_that_is_taken_and_a_short_password_are_asked_for_again() {
    let database = Database::new().await;
    let site = sign_up(database.browser().await, "Ada").await.another();
    for (name, password, wrong) in [
        ("ADA", PASSWORD, "is taken"),
        ("Bob", "quack", "must be at least 8 characters"),
        ("B b", PASSWORD, "must be letters and digits only"),
    ] {
        let form = [("name", name), ("password", password)];
        let page = site.post("/sign-up").form(&form).await;
        assert_eq!(page.status(), 422);
        assert!(page.text().contains(wrong), "{}", page.text());
        assert!(!page.text().contains(password));
    }
}

#[tokio::test]
async fn a_new_password_ends_the_logins_with_the_old_one() {
    let database = Database::new().await;
    let here = sign_up(database.browser().await, "Ada").await;
    let elsewhere = log_in(here.another(), "Ada").await;
    let new = "waddle waddle";
    let form = [("old", PASSWORD), ("new", new), ("again", new)];
    let page = here.post("/password").form(&form).follow().await;
    assert!(page.text().contains("Your password has been changed."));
    assert_eq!(here.get("/notes/").await.status(), 200);
    assert_eq!(elsewhere.get("/notes/").await.status(), 303);
    let form = [("name", "Ada"), ("password", new)];
    assert_eq!(elsewhere.post("/login").form(&form).await.status(), 303);
}

#[tokio::test]
async fn whoever_signs_up_has_an_account_and_a_first_note() {
    let database = Database::new().await;
    let pool = database.pool().await;
    let ada = accounts::sign_up(&pool, "Ada", "hash")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ada.name, "Ada");
    assert_eq!(
        notes::store::list(&pool, ada.id).await.unwrap()[0].title,
        "Welcome"
    );
}

#[tokio::test]
async fn a_name_is_given_once_in_small_letters_or_large() {
    let database = Database::new().await;
    let pool = database.pool().await;
    accounts::sign_up(&pool, "Ada", "hash").await.unwrap();
    for name in ["ADA", "ada", "Ada"] {
        let other = accounts::sign_up(&pool, name, "other").await;
        assert_eq!(other.unwrap(), None, "{name}");
    }
}

#[tokio::test]
async fn of_many_that_ask_for_one_name_at_once_one_gets_it() {
    let database = Database::new().await;
    let pool = database.pool().await;
    let one = || {
        tokio::spawn({
            let pool = pool.clone();
            async move { accounts::sign_up(&pool, "Ada", "hash").await.unwrap() }
        })
    };
    let tasks: Vec<_> = (0..10).map(|_| one()).collect();
    let mut given = 0;
    for task in tasks {
        given += usize::from(task.await.unwrap().is_some());
    }
    assert_eq!(given, 1);
}
