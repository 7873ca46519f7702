//! What ends the sessions of a user.

use duck::auth::{self, Auth};
use duck::prelude::*;
use duck::testing::TestClient;
use duck_session::SessionMiddleware;

use crate::support::{
    OLD_HASH, PASSWORD, Users, cookie, log_in_ada, log_in_as, pages, settings, site, visit, who,
};

async fn change(client: &TestClient, old: &str, new: &str) -> u16 {
    let form = client.post("/password").form(&[("old", old), ("new", new)]);
    form.await.status().as_u16()
}

#[tokio::test]
async fn a_new_password_by_sql_ends_all_sessions_of_the_user() {
    for engine in ["cache", "cookie"] {
        let users = Users::ada().await;
        users.add("bob", &users.hash_of(1));
        let settings = settings().with("SESSION_ENGINE", engine);
        let one = TestClient::start(site(settings, &users)).await;
        let (two, bob) = (one.another(), one.another());
        log_in_ada(&one).await;
        log_in_ada(&two).await;
        assert_eq!(log_in_as(&bob, "bob", PASSWORD).await.status(), 303);
        assert_eq!(who(&two).await, "ada");
        users.update_hash(1, OLD_HASH);
        for client in [&one, &two] {
            assert_eq!(who(client).await, "nobody", "{engine}");
            assert_eq!(client.get("/account").await.status(), 303, "{engine}");
        }
        assert_eq!(who(&bob).await, "bob", "{engine}");
        assert_eq!(log_in_as(&one, "ada", "hunter2").await.status(), 303);
        assert_eq!(who(&one).await, "ada", "{engine}");
    }
}

#[tokio::test]
async fn who_changes_the_password_stays_logged_in_under_a_new_id_and_nobody_else_does() {
    for engine in ["cache", "cookie"] {
        let users = Users::ada().await;
        let settings = settings().with("SESSION_ENGINE", engine);
        let here = TestClient::start(site(settings, &users)).await;
        let elsewhere = here.another();
        log_in_ada(&here).await;
        log_in_ada(&elsewhere).await;
        here.get("/set/cart/full").await;
        let before = cookie(&here).unwrap();
        assert_eq!(change(&here, PASSWORD, "tr0ub4dor&3").await, 303);
        assert_eq!(who(&here).await, "ada", "{engine}");
        assert_eq!(here.get("/get/cart").await.text(), "full");
        assert_ne!(cookie(&here).unwrap(), before);
        assert_eq!(who(&elsewhere).await, "nobody", "{engine}");
        let copy = here.another();
        copy.set_cookie("session_id", &before);
        assert_eq!(who(&copy).await, "nobody", "{engine}");
        assert_eq!(log_in_as(&elsewhere, "ada", PASSWORD).await.status(), 422);
        assert_eq!(
            log_in_as(&elsewhere, "ada", "tr0ub4dor&3").await.status(),
            303
        );
    }
}

#[tokio::test]
async fn a_password_is_not_changed_without_the_old_one_or_to_one_that_cannot_be() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    let hash = users.hash_of(1);
    assert_eq!(
        change(&client, PASSWORD, "new").await,
        401,
        "nobody is logged in"
    );
    log_in_ada(&client).await;
    assert_eq!(change(&client, "wrong", "new").await, 422);
    assert_eq!(change(&client, "", "new").await, 422);
    assert_eq!(change(&client, PASSWORD, "").await, 422);
    assert_eq!(change(&client, PASSWORD, &"x".repeat(1025)).await, 422);
    assert_eq!(users.hash_of(1), hash);
    assert_eq!(who(&client).await, "ada");
}

#[tokio::test]
async fn a_browser_left_open_gives_no_more_tries_than_the_login() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    log_in_ada(&client).await;
    let guess = async |n| {
        let (old, new) = (format!("guess {n}"), "new");
        let form = client
            .post("/password")
            .form(&[("old", old.as_str()), ("new", new)]);
        form.await.text().to_owned()
    };
    for n in 0..5 {
        assert_eq!(guess(n).await, "The name or the password is wrong.");
    }
    let answer = guess(5).await;
    assert!(answer.starts_with("Too many tries"), "{answer}");
    assert_eq!(
        change(&client, PASSWORD, "new").await,
        422,
        "not even the right one"
    );
}

#[tokio::test]
async fn a_deleted_user_is_nobody_at_once() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    log_in_ada(&client).await;
    users.table().rows.clear();
    let response = client.get("/").await;
    assert_eq!(response.text(), "nobody");
    assert_eq!(response.set_cookies().len(), 1, "the dead cookie goes");
    assert_eq!(client.get("/account").await.status(), 303);
}

#[tokio::test]
async fn a_user_whom_the_accounts_do_not_give_any_more_is_nobody() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    log_in_ada(&client).await;
    users.table().rows.get_mut(&1).unwrap().is_blocked = true;
    assert_eq!(who(&client).await, "nobody");
    assert_eq!(client.get("/account").await.status(), 303);
    users.table().rows.get_mut(&1).unwrap().is_blocked = false;
    assert_eq!(who(&client).await, "ada", "the session was not ended");
}

#[tokio::test]
async fn what_the_site_binds_sessions_to_itself_stands() {
    let users = Users::ada().await;
    let own = SessionMiddleware::new().auth_hash(async |_| Ok(Some("always".to_owned())));
    let accounts = users.clone();
    let app = App::new(settings()).with(own);
    let app = app.with(Auth::new(move |_| Ok(accounts))).urls(pages());
    let client = TestClient::start(app).await;
    log_in_ada(&client).await;
    users.update_hash(1, OLD_HASH);
    assert_eq!(who(&client).await, "ada");
}

#[tokio::test]
async fn a_password_that_changes_while_an_old_hash_is_made_anew_is_not_undone() {
    let users = Users::default();
    users.add("ada", OLD_HASH);
    let new = auth::hash("new").await.unwrap();
    let client = visit(&users).await;
    // Between the look at the name and the end of the comparison.
    users.table().changes_behind_a_lookup = Some(new.clone());
    log_in_as(&client, "ada", "hunter2").await;
    assert_eq!(users.hash_of(1), new);
}
