//! Logging in and out.

use duck::testing::TestClient;
use futures_util::future::join_all;

use crate::log::Log;
use crate::support::{
    OLD_HASH, PASSWORD, Users, cookie, log_in_ada, log_in_as, settings, site, visit, who,
};

const WRONG: &str = "The name or the password is wrong.";

#[tokio::test]
async fn a_visitor_without_a_session_logs_in_and_out() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    let page = client.get("/login").await;
    assert_eq!(page.set_cookies(), [""; 0], "the form takes no session");
    let response = log_in_as(&client, "ada", PASSWORD).await;
    assert_eq!(
        (response.status().as_u16(), response.header("location")),
        (303, Some("/"))
    );
    assert_eq!(response.set_cookies().len(), 1);
    assert_eq!(who(&client).await, "ada");
    assert_eq!(who(&client.another()).await, "nobody");
    assert_eq!(client.post("/logout").await.status(), 303);
    assert_eq!(who(&client).await, "nobody");
    assert_eq!(cookie(&client), None);
}

#[tokio::test]
async fn the_ready_logout_takes_a_post_and_leads_on_within_the_site() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    log_in_ada(&client).await;
    let response = client.get("/leave").await;
    assert_eq!(
        (response.status().as_u16(), response.header("allow")),
        (405, Some("OPTIONS, POST"))
    );
    assert_eq!(who(&client).await, "ada");
    for (query, location) in [("", "/"), ("?next=/a", "/a"), ("?next=//evil.example", "/")] {
        let response = client.post(&format!("/leave{query}")).await;
        assert_eq!(response.header("location"), Some(location));
        assert_eq!(who(&client).await, "nobody");
    }
}

#[tokio::test]
async fn a_login_changes_the_id_and_keeps_the_cart() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    client.get("/set/cart/full").await;
    let before = cookie(&client).unwrap();
    log_in_ada(&client).await;
    let after = cookie(&client).unwrap();
    assert_ne!(before, after);
    assert_eq!(client.get("/get/cart").await.text(), "full");
    let attacker = client.another();
    attacker.set_cookie("session_id", &before);
    assert_eq!(
        who(&attacker).await,
        "nobody",
        "the id from before is worth nothing"
    );
    assert_eq!(attacker.get("/get/cart").await.text(), "nothing");
}

#[tokio::test]
async fn an_id_that_was_planted_is_not_the_one_of_a_login() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    let planted = "A".repeat(43);
    client.set_cookie("session_id", &planted);
    log_in_ada(&client).await;
    assert_ne!(cookie(&client).unwrap(), planted);
    let attacker = client.another();
    attacker.set_cookie("session_id", &planted);
    assert_eq!(who(&attacker).await, "nobody");
}

#[tokio::test]
async fn another_users_session_is_not_taken_over() {
    let users = Users::ada().await;
    users.add("bob", &users.hash_of(1));
    let client = visit(&users).await;
    log_in_ada(&client).await;
    client.get("/set/cart/full").await;
    assert_eq!(log_in_as(&client, "bob", PASSWORD).await.status(), 303);
    assert_eq!(who(&client).await, "bob");
    assert_eq!(client.get("/get/cart").await.text(), "nothing");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_get_the_same_answer() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    let wrong = log_in_as(&client, "ada", "wrong").await;
    let unknown = log_in_as(&client, "eve", "wrong").await;
    for response in [&wrong, &unknown] {
        assert_eq!((response.status().as_u16(), response.text()), (422, WRONG));
        assert_eq!(response.set_cookies(), [""; 0]);
    }
    assert_eq!(wrong.headers(), unknown.headers());
    assert_eq!(who(&client).await, "nobody");
}

#[tokio::test]
async fn a_password_is_compared_whether_there_is_such_a_user_or_not() {
    let users = Users::ada().await;
    users.add("bob", "");
    users.add("eve", "!");
    let client = visit(&users).await;
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let compared = || log.entries("").matches("a password is compared").count();
    for (name, password) in [
        ("ada", "wrong"),
        ("nobody", "wrong"),
        ("bob", ""),
        ("bob", "wrong"),
        ("eve", "!"),
        ("ada", PASSWORD),
    ] {
        let before = compared();
        log_in_as(&client, name, password).await;
        let times = compared() - before;
        assert_eq!(
            times,
            usize::from(!password.is_empty()),
            "{name} {password}"
        );
    }
}

#[tokio::test]
async fn a_failed_login_leaves_who_was_there_before() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    log_in_ada(&client).await;
    let before = cookie(&client);
    assert_eq!(log_in_as(&client, "eve", "wrong").await.status(), 422);
    assert_eq!(who(&client).await, "ada");
    assert_eq!(cookie(&client), before);
}

#[tokio::test]
async fn a_user_without_a_password_cannot_log_in_with_one() {
    for hash in [
        "",
        "!",
        "*",
        PASSWORD,
        "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
    ] {
        let users = Users::default();
        users.add("ada", hash);
        let client = visit(&users).await;
        for password in ["", "!", hash, PASSWORD] {
            let response = log_in_as(&client, "ada", password).await;
            assert_eq!(
                (response.status().as_u16(), response.text()),
                (422, WRONG),
                "{hash}"
            );
        }
        assert_eq!(client.post("/sign-up/1").await.status(), 303);
        assert_eq!(who(&client).await, "ada", "but in another way");
    }
}

#[tokio::test]
async fn names_that_cannot_be_are_refused_before_anybody_is_asked() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    let long = "a".repeat(255);
    let megabyte = "ä".repeat(1 << 17);
    for name in [
        &long,
        &*megabyte,
        "ada\0",
        "\0",
        "ada\n",
        "a\r\nb",
        "ada\u{7f}",
        "\u{85}",
    ] {
        let response = log_in_as(&client, name, PASSWORD).await;
        assert_eq!((response.status().as_u16(), response.text()), (422, WRONG));
    }
    assert_eq!(users.table().names, [""; 0]);
    for name in [
        "",
        " ",
        "' OR 1=1 --",
        "ada\u{200b}",
        "Ada",
        "АДА",
        &long[1..],
    ] {
        let client = client.another();
        assert_eq!(
            log_in_as(&client, name, PASSWORD).await.status(),
            422,
            "{name:?}"
        );
        assert_eq!(
            users.table().names.pop().as_deref(),
            Some(name),
            "as it was typed"
        );
    }
    assert_eq!(who(&client).await, "nobody");
}

#[tokio::test]
async fn a_password_of_a_megabyte_is_wrong() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    for password in ["x".repeat(1 << 20), "x".repeat(1025), String::new()] {
        let response = log_in_as(&client, "ada", &password).await;
        assert_eq!((response.status().as_u16(), response.text()), (422, WRONG));
    }
}

#[tokio::test]
async fn a_blocked_user_is_not_logged_in() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    users.table().rows.get_mut(&1).unwrap().is_blocked = true;
    let response = log_in_as(&client, "ada", PASSWORD).await;
    assert_eq!((response.status().as_u16(), response.text()), (422, WRONG));
    assert_eq!(response.set_cookies(), [""; 0]);
}

#[tokio::test]
async fn a_hash_that_cost_too_little_is_made_anew_once() {
    let users = Users::default();
    users.add("ada", OLD_HASH);
    let client = visit(&users).await;
    assert_eq!(log_in_as(&client, "ada", "wrong").await.status(), 422);
    assert_eq!(
        users.hash_of(1),
        OLD_HASH,
        "a wrong password changes nothing"
    );
    assert_eq!(log_in_as(&client, "ada", "hunter2").await.status(), 303);
    assert_eq!(
        who(&client).await,
        "ada",
        "the login is bound to the new hash"
    );
    let new = users.hash_of(1);
    assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{new}");
    assert_eq!(
        log_in_as(&client.another(), "ada", "hunter2")
            .await
            .status(),
        303
    );
    assert_eq!(users.hash_of(1), new);
    assert_eq!(users.table().new_hashes, 1);
}

#[tokio::test]
async fn users_whose_table_does_not_answer_see_an_error_and_lose_no_try() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    users.table().is_down = true;
    for _ in 0..20 {
        let response = log_in_as(&client, "ada", PASSWORD).await;
        assert_eq!(response.status(), 500);
        assert!(!response.text().contains("locked"), "{}", response.text());
    }
    users.table().is_down = false;
    log_in_ada(&client).await;
    assert_eq!(who(&client).await, "ada");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn logins_side_by_side_all_get_in() {
    let users = Users::ada().await;
    for n in 0..15 {
        users.add(&format!("user{n}"), &users.hash_of(1));
    }
    let client = TestClient::start(site(settings(), &users)).await;
    let logins = (0..15).map(|n| {
        let client = client.another();
        async move {
            let name = format!("user{n}");
            let response = log_in_as(&client, &name, PASSWORD).await;
            assert_eq!(response.status(), 303);
            assert_eq!(who(&client).await, name);
        }
    });
    join_all(logins).await;
}
