//! What ends the sessions of a user.

use duck::auth::{self, Auth};
use duck::prelude::*;
use duck::testing::TestClient;
use duck_session::SessionMiddleware;
use futures_util::future::join_all;

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
    assert_eq!(response.set_cookies(), [""; 0]);
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

/// Has the password changed from elsewhere behind each question to the table, one after the other: it stays,
/// and no session outlives it. The last round has no such change.
async fn change_behind_each_question(
    hash: &str,
    act: impl AsyncFn(&TestClient),
    is_logged_in: bool,
) {
    let from_elsewhere = auth::hash("from elsewhere").await.unwrap();
    for engine in ["cache", "cookie"] {
        for questions in 0.. {
            let users = Users::default();
            users.add("ada", hash);
            let settings = settings().with("SESSION_ENGINE", engine);
            let client = TestClient::start(site(settings, &users)).await;
            if is_logged_in {
                client.post("/sign-up/1").await;
            }
            users.table().changes_after = Some((questions, from_elsewhere.clone()));
            act(&client).await;
            if users.table().changes_after.take().is_some() {
                assert_eq!(who(&client).await, "ada", "{engine}");
                assert!(questions > 3, "{questions}");
                break;
            }
            assert_eq!(users.hash_of(1), from_elsewhere, "{engine} {questions}");
            assert_eq!(who(&client).await, "nobody", "{engine} {questions}");
        }
    }
}

#[tokio::test]
async fn a_login_undoes_no_new_password_and_does_not_outlive_the_old_one() {
    let current = auth::hash("hunter2").await.unwrap();
    for hash in [OLD_HASH, &current] {
        let log_in = async |client: &TestClient| {
            log_in_as(client, "ada", "hunter2").await;
        };
        change_behind_each_question(hash, log_in, false).await;
    }
}

#[tokio::test]
async fn a_new_password_undoes_no_other_and_its_session_does_not_outlive_it() {
    let current = auth::hash("hunter2").await.unwrap();
    for hash in [OLD_HASH, &current] {
        let change = async |client: &TestClient| {
            change(client, "hunter2", "new").await;
        };
        change_behind_each_question(hash, change, true).await;
    }
}

#[tokio::test]
async fn a_login_that_makes_the_hash_anew_keeps_no_new_password_out() {
    let users = Users::default();
    users.add("ada", OLD_HASH);
    let client = visit(&users).await;
    let elsewhere = client.another();
    assert_eq!(log_in_as(&elsewhere, "ada", "hunter2").await.status(), 303);
    let anew = users.hash_of(1);
    users.update_hash(1, OLD_HASH);
    client.post("/sign-up/1").await;
    // Behind the session's own question, and the first one of the change.
    users.table().changes_after = Some((1, anew));
    assert_eq!(change(&client, "hunter2", "new").await, 303);
    assert_eq!(users.table().changes_after, None);
    assert_eq!(log_in_as(&elsewhere, "ada", "new").await.status(), 303);
}

#[tokio::test]
async fn a_hash_that_is_made_anew_ends_no_session() {
    for engine in ["cache", "cookie"] {
        let users = Users::default();
        users.add("ada", OLD_HASH);
        let settings = settings().with("SESSION_ENGINE", engine);
        let before = TestClient::start(site(settings, &users)).await;
        before.post("/sign-up/1").await;
        let clients: Vec<_> = (0..4).map(|_| before.another()).collect();
        let logins = clients.iter().map(async |client| {
            let response = log_in_as(client, "ada", "hunter2").await;
            assert_eq!(response.status(), 303);
        });
        join_all(logins).await;
        assert_eq!(users.table().new_hashes, 1, "{engine}");
        assert_ne!(users.hash_of(1), OLD_HASH);
        for client in clients.iter().chain([&before]) {
            assert_eq!(who(client).await, "ada", "{engine}");
        }
    }
}

#[tokio::test]
async fn a_table_that_keeps_no_new_hash_is_an_error_of_the_site() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    log_in_ada(&client).await;
    users.table().keeps_hashes = true;
    assert_eq!(change(&client, PASSWORD, "new").await, 500);
    assert_eq!(who(&client).await, "ada");
}
