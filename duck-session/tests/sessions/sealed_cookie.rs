//! `SESSION_ENGINE = "cookie"`: the whole session in the cookie.

use std::time::Duration;

use duck::testing::TestClient;
use duck::{App, Settings};
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
    assert_eq!(response.set_cookies(), [""; 0]);
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

async fn refusal(line: &str) -> String {
    let toml = format!("SECRET_KEY = '{KEY}'\nSESSION_ENGINE = 'cookie'\n\n{line}\n");
    let settings = Settings::from_toml(&toml).unwrap();
    let app = App::new(settings).with(SessionMiddleware::new());
    app.start().await.unwrap_err().to_string()
}

#[tokio::test]
async fn what_a_sealed_cookie_cannot_keep_is_refused_by_name_and_line() {
    for line in [
        "SESSION_IDLE_TIMEOUT = 600",
        "SESSION_SAVE_EVERY_REQUEST = true",
        "SESSION_RENEWAL_INTERVAL = '1 hour'",
        "SESSION_RENEWAL_GRACE = 30",
        "SESSION_MAX_SESSIONS_PER_USER = 3",
        "SESSION_ON_LIMIT = 'refuse'",
        "SESSION_CONFLICT = 'merge'",
        "SESSION_CONFLICT = 'fail'",
        "SESSION_FSYNC = 'security'",
        "SESSION_FSYNC = 'all'",
        "SESSION_MAX_BYTES = 2701",
        "SESSION_MAX_SESSIONS = 1000",
        "SESSION_STORE_TIMEOUT = 2",
        "SESSION_ON_STORE_ERROR = 'open'",
    ] {
        let (error, key) = (refusal(line).await, line.split(" = ").next().unwrap());
        assert!(error.contains(&format!("line 4: {key}: ")), "{error}");
        assert!(error.contains("storage"), "{error}");
        assert!(error.contains("SESSION_ENGINE"), "{error}");
    }
}

#[tokio::test]
async fn what_a_sealed_cookie_keeps_may_be_set() {
    let settings = sealed()
        .with("SESSION_CONFLICT", "last_write_wins")
        .with("SESSION_FSYNC", "none")
        .with("SESSION_MAX_BYTES", 2700)
        .with("SESSION_SAVE_EVERY_REQUEST", false)
        .with("SESSION_ABSOLUTE_TIMEOUT", 600)
        .with("SESSION_TOUCH_INTERVAL", 60)
        .with("SESSION_ENCRYPT", true);
    let client = client(settings).await;
    read(&client, "/set/a/1").await;
    assert_eq!(read(&client, "/get/a").await, "\"1\"");
}

#[tokio::test]
async fn a_sealed_cookie_is_good_only_in_the_browser_it_began_in() {
    let client = client(sealed().with("SESSION_BIND", "ua")).await;
    let login = client
        .get("/login/ada")
        .header("user-agent", "Duckfox/12.1");
    assert_eq!(login.await.status(), 200);
    let thief = with_id(&client, &id(&client));
    for (visitor, browser, user) in [
        (&client, "Duckfox/13.0", "ada"),
        (&thief, "curl/8.0", "nobody"),
    ] {
        let response = visitor.get("/user").header("user-agent", browser).await;
        assert_eq!(response.text(), user, "{browser}");
    }
}

/// All of these have one `SECRET_KEY`, as two sites in one container or two settings of one site may.
#[tokio::test]
async fn a_sealed_cookie_of_another_site_opens_nothing() {
    let here = client(sealed()).await;
    read(&here, "/login/ada").await;
    let stolen = id(&here);
    assert_eq!(read(&with_id(&here, &stolen), "/user").await, "ada");
    for (key, value) in [
        ("SESSION_COOKIE_NAME", "admin"),
        ("SESSION_COOKIE_PATH", "/admin"),
        ("SESSION_COOKIE_DOMAIN", "example.org"),
    ] {
        let there = client(sealed().with(key, value)).await;
        let name = if key == "SESSION_COOKIE_NAME" {
            value
        } else {
            "session_id"
        };
        let cookie = format!("{name}={stolen}");
        let response = there.get("/user").header("cookie", &cookie).await;
        assert_eq!(response.text(), "nobody", "{key}");
        assert_eq!(response.set_cookies(), [""; 0], "{key}: it is not ours");
    }
}

/// Who listens to plain HTTP must not have what opens over HTTPS.
#[tokio::test]
async fn a_sealed_cookie_of_plain_http_opens_nothing_over_https() {
    let plain = client(sealed()).await;
    read(&plain, "/login/ada").await;
    let stolen = id(&plain);
    let cookie = format!("__Host-session_id={stolen}");
    let https = plain.another().https();
    let response = https.get("/user").header("cookie", &cookie).await;
    assert_eq!(response.text(), "nobody");
}

/// One of them was planted, and nobody can tell which.
#[tokio::test]
async fn of_two_sealed_cookies_that_differ_neither_is_used() {
    let clock = Clock::manual();
    let settings = sealed().with("SESSION_COOKIE_AGE", 60);
    let client = visit(settings, SessionMiddleware::new().clock(clock.clone()), []).await;
    let over = client.another();
    read(&over, "/login/3").await;
    clock.advance(Duration::from_mins(1));
    let (one, two) = (client.another(), client.another());
    read(&one, "/login/1").await;
    read(&two, "/login/2").await;
    let (one, two, over) = (id(&one), id(&two), id(&over));
    let junk = "A".repeat(200);
    let ask = async |path: &str, ids: &[&String]| {
        let pairs: Vec<_> = ids.iter().map(|id| format!("session_id={id}")).collect();
        let request = client.another();
        let response = request.get(path).header("cookie", &pairs.join("; ")).await;
        let cookies = response.set_cookies().into_iter().map(str::to_owned);
        (response.text().to_owned(), cookies.collect::<Vec<_>>())
    };
    for ids in [[&one, &two], [&two, &one]] {
        assert_eq!(ask("/user", &ids).await, ("nobody".into(), vec![]));
        let (text, cookies) = ask("/logout", &ids).await;
        assert_eq!((text.as_str(), cookies.len()), ("out", 1));
    }
    assert_eq!(ask("/user", &[&one, &junk, &two]).await.0, "nobody");
    for ids in [[&one, &one], [&one, &junk], [&junk, &one], [&over, &one]] {
        assert_eq!(ask("/user", &ids).await, ("1".into(), vec![]));
    }
}
