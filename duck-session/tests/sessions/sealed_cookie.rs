//! `SESSION_ENGINE = "cookie"`: the whole session in the cookie.

use std::time::Duration;

use duck::Settings;
use duck::testing::TestClient;
use duck_session::{Clock, SessionMiddleware};

use crate::support::{KEY, id, read, settings, visit, with_id};

fn sealed() -> Settings {
    settings().with("SESSION_ENGINE", "cookie")
}

async fn client(settings: Settings) -> TestClient {
    visit(settings, SessionMiddleware::new(), []).await
}

#[tokio::test]
async fn a_session_travels_in_its_cookie() {
    let client = client(sealed()).await;
    // So long that no sealed cookie contains it by chance.
    let response = client.get("/set/card/4111111111111111").await;
    let cookie = response.set_cookies()[0].to_owned();
    assert!(!cookie.contains("4111111111111111"));
    assert!(cookie.contains("; Max-Age=604800; "), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax"), "{cookie}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(read(&client, "/get/card").await, "\"4111111111111111\"");
    let response = client.get("/set/card/4111111111111111").await;
    assert_eq!(response.set_cookies(), [""; 0], "an equal value");
    read(&client, "/login/7").await;
    assert_eq!(read(&client, "/user").await, "7");
    assert_eq!(read(&client, "/add/n").await, "1");
    assert_eq!(read(&client, "/add/n").await, "2");
    read(&client, "/login/8").await;
    assert_eq!(read(&client, "/get/card").await, "nothing");
    read(&client, "/logout").await;
    assert_eq!(client.cookie("session_id"), None);
    assert_eq!(read(&client, "/user").await, "nobody");
}

#[tokio::test]
async fn a_cookie_that_was_changed_opens_nothing() {
    let client = client(sealed()).await;
    read(&client, "/set/a/1").await;
    let good = id(&client);
    for place in 0..good.len() {
        let mut bad = good.clone().into_bytes();
        bad[place] = if bad[place] == b'A' { b'B' } else { b'A' };
        let other = with_id(&client, std::str::from_utf8(&bad).unwrap());
        assert_eq!(read(&other, "/get/a").await, "nothing", "character {place}");
        let other = with_id(&client, &good[..place]);
        assert_eq!(read(&other, "/get/a").await, "nothing", "cut at {place}");
    }
}

#[tokio::test]
async fn another_key_opens_nothing_and_takes_nothing_away() {
    let right = client(sealed()).await;
    read(&right, "/login/7").await;
    let other = "another key of more than thirty-two bytes";
    let wrong = client(sealed().with("SECRET_KEY", other)).await;
    wrong.set_cookie("session_id", &id(&right));
    let response = wrong.get("/user").await;
    assert_eq!(response.text(), "nobody");
    assert_eq!(response.set_cookies(), [""; 0], "the only copy");

    let rotated = client(
        sealed()
            .with("SECRET_KEY", other)
            .with("SECRET_KEY_FALLBACKS", vec![KEY]),
    )
    .await;
    rotated.set_cookie("session_id", &id(&right));
    assert_eq!(read(&rotated, "/user").await, "7");
    read(&rotated, "/add/n").await;
    wrong.set_cookie("session_id", &id(&rotated));
    assert_eq!(read(&wrong, "/user").await, "7", "written with the new key");
}

/// Who logs out on a shared machine must be out when the right key comes back.
#[tokio::test]
async fn a_logout_removes_a_cookie_that_cannot_be_read() {
    let right = client(sealed()).await;
    read(&right, "/login/7").await;
    let wrong =
        client(sealed().with("SECRET_KEY", "another key of more than thirty-two bytes")).await;
    wrong.set_cookie("session_id", &id(&right));
    let response = wrong.get("/logout").await;
    assert!(response.set_cookies()[0].contains("Max-Age=0"));
}

#[tokio::test]
async fn a_sealed_session_expires_by_the_servers_clock() {
    let clock = Clock::manual();
    let settings = sealed().with("SESSION_COOKIE_AGE", 60);
    let client = visit(settings, SessionMiddleware::new().clock(clock.clone()), []).await;
    read(&client, "/login/7").await;
    let cookie = id(&client);
    clock.advance(Duration::from_millis(59_999));
    assert_eq!(read(&with_id(&client, &cookie), "/user").await, "7");
    clock.advance(Duration::from_millis(1));
    let response = with_id(&client, &cookie).get("/user").await;
    assert_eq!(response.text(), "nobody");
    assert!(response.set_cookies()[0].contains("Max-Age=0"));
}

#[tokio::test]
async fn what_does_not_fit_a_cookie_is_refused_and_what_fits_is_kept() {
    let client = client(sealed()).await;
    read(&client, "/set/a/1").await;
    let fits = "x".repeat(2600);
    let response = client.get(&format!("/set/b/{fits}")).await;
    let cookie = response.set_cookies()[0];
    let pair = cookie.split(';').next().unwrap();
    assert!(pair.len() <= 4096, "{}", pair.len());
    assert!(read(&client, "/get/b").await.contains(&fits));
    let response = client.get(&format!("/set/c/{fits}")).await;
    assert_eq!(response.status(), 413);
    assert_eq!(response.set_cookies(), [""; 0]);
    assert_eq!(read(&client, "/get/a").await, "\"1\"");
}

/// A copied cookie lives until it expires, and the last response wins: the docs of the engine say so.
#[tokio::test]
async fn what_a_sealed_cookie_cannot_do() {
    let client = client(sealed()).await;
    read(&client, "/login/7").await;
    let copy = with_id(&client, &id(&client));
    read(&client, "/logout").await;
    assert_eq!(read(&copy, "/user").await, "7");
}
