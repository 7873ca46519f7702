//! What a session is bound to besides its cookie, and what else guards a site: rules 36, 40 and
//! `SESSION_BIND`.

use std::sync::{Arc, Mutex};

use duck::testing::TestClient;
use duck::{Error, Result};
use duck_session::SessionMiddleware;

use crate::support::{id, read, settings, visit, with_id};

/// A site whose users have passwords that a test can change.
async fn with_passwords(hash: &Arc<Mutex<Result<Option<String>, ()>>>) -> TestClient {
    let hash = Arc::clone(hash);
    let sessions = SessionMiddleware::new().auth_hash(move |user: String| {
        let hash = hash.lock().unwrap().clone();
        async move {
            let hash = hash.map_err(|()| Error::internal("the table of users is locked"))?;
            Ok(hash.map(|hash| format!("{hash} of {user}")))
        }
    });
    visit(settings(), sessions, []).await
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_that_the_old_one_began() {
    let hash = Arc::new(Mutex::new(Ok(Some("argon2 one".to_owned()))));
    let client = with_passwords(&hash).await;
    let (one, two, anonymous) = (client.another(), client.another(), client.another());
    read(&anonymous, "/set/cart/full").await;
    for visitor in [&one, &two] {
        read(visitor, "/login/ada").await;
        assert_eq!(read(visitor, "/user").await, "ada");
    }
    read(&two, "/cycle").await;
    assert_eq!(
        read(&two, "/user").await,
        "ada",
        "a new id is bound as the old one was"
    );

    *hash.lock().unwrap() = Ok(Some("argon2 two".to_owned()));
    let response = one.get("/user").await;
    assert_eq!(response.text(), "nobody");
    assert_eq!(response.set_cookies(), [""; 0]);
    assert_eq!(read(&two, "/user").await, "nobody");
    assert_eq!(read(&anonymous, "/get/cart").await, "\"full\"");
    read(&one, "/login/ada").await;
    assert_eq!(read(&one, "/user").await, "ada");

    *hash.lock().unwrap() = Ok(None);
    assert_eq!(read(&one, "/user").await, "nobody", "the user is gone");
}

#[tokio::test]
async fn who_cannot_be_asked_for_the_password_lets_nobody_in() {
    let hash = Arc::new(Mutex::new(Ok(Some("one".to_owned()))));
    let client = with_passwords(&hash).await;
    read(&client, "/login/ada").await;
    *hash.lock().unwrap() = Err(());
    let response = client.get("/user").await;
    assert_eq!(response.status(), 503);
    assert!(!response.text().contains("locked"), "{}", response.text());
    assert_eq!(response.set_cookies(), [""; 0]);
    *hash.lock().unwrap() = Ok(Some("one".to_owned()));
    assert_eq!(read(&client, "/user").await, "ada");
}

async fn user_in(client: &TestClient, browser: &str) -> String {
    let response = client.get("/user").header("user-agent", browser).await;
    response.text().to_owned()
}

#[tokio::test]
async fn a_session_can_be_bound_to_the_browser_it_began_in() {
    for (bind, seen_elsewhere) in [("ua", "nobody"), ("none", "ada")] {
        let bound = settings().with("SESSION_BIND", bind);
        let client = visit(bound, SessionMiddleware::new(), []).await;
        let login = client
            .get("/login/ada")
            .header("user-agent", "Duckfox/12.1 (X11)");
        assert_eq!(login.await.status(), 200);
        let sent = id(&client);
        assert_eq!(
            user_in(&client, "Duckfox/13.0 (X11)").await,
            "ada",
            "an update"
        );
        let thief = with_id(&client, &sent);
        assert_eq!(user_in(&thief, "curl/8.0").await, seen_elsewhere, "{bind}");
        assert_eq!(
            user_in(&client, "Duckfox/13.0 (X11)").await,
            "ada",
            "{bind}"
        );
    }
}

#[tokio::test]
async fn a_logout_can_have_the_browser_forget_the_site() {
    let client = visit(
        settings().with("SESSION_CLEAR_SITE_DATA", true),
        SessionMiddleware::new(),
        [],
    )
    .await;
    let response = client.get("/login/ada").await;
    assert_eq!(response.header("clear-site-data"), None);
    let response = client.get("/logout").await;
    assert_eq!(
        response.header("clear-site-data"),
        Some("\"cookies\", \"storage\"")
    );
    assert_eq!(response.set_cookies().len(), 1);

    let dead = with_id(&client, &"A".repeat(43));
    let response = dead.get("/user").await;
    assert_eq!(response.header("clear-site-data"), None);

    let quiet = visit(settings(), SessionMiddleware::new(), []).await;
    read(&quiet, "/login/ada").await;
    assert_eq!(quiet.get("/logout").await.header("clear-site-data"), None);
}
