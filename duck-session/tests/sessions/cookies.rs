//! The cookie, byte for byte, and what comes in its place: rules 41 to 50.

use std::time::Duration;

use duck::testing::TestClient;
use duck::{Request, Settings, text};
use duck_session::{Clock, SessionMiddleware};

use crate::support::{ScriptedStore, id, over, page, read, scripted, settings, visit, with_id};

const REMOVED: &str = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";

/// The cookie that a page sets, with `ID` for the id and `DATE` for the date.
async fn sent(client: &TestClient, path: &str) -> String {
    let response = client.get(path).await;
    let cookies = response.set_cookies();
    assert_eq!(cookies.len(), 1, "{path}");
    let (name, rest) = cookies[0].split_once('=').unwrap();
    let (value, rest) = rest.split_once(';').unwrap();
    assert!(value.is_empty() || value.len() == 43);
    let value = if value.is_empty() { "" } else { "ID" };
    let rest = match rest.split_once("Expires=") {
        Some((before, date)) if !cookies[0].contains(REMOVED) => {
            let (_, after) = date.split_once(';').unwrap();
            format!("{before}Expires=DATE;{after}")
        }
        _ => rest.to_owned(),
    };
    format!("{name}={value};{rest}")
}

type Change = fn(Settings) -> Settings;

#[tokio::test]
async fn every_attribute_stands_where_it_belongs() {
    let table: [(Change, [&str; 2]); 8] = [
        (
            |s| s,
            [
                "session_id=ID; Path=/; Max-Age=604800; Expires=DATE; HttpOnly; SameSite=Lax",
                "__Host-session_id=ID; Path=/; Max-Age=604800; Expires=DATE; Secure; HttpOnly; SameSite=Lax",
            ],
        ),
        (
            |s| s.with("SESSION_COOKIE_PATH", "/set"),
            [
                "session_id=ID; Path=/set; Max-Age=604800; Expires=DATE; HttpOnly; SameSite=Lax",
                "__Secure-session_id=ID; Path=/set; Max-Age=604800; Expires=DATE; Secure; HttpOnly; SameSite=Lax",
            ],
        ),
        (
            |s| s.with("SESSION_COOKIE_DOMAIN", "example.org"),
            [
                "session_id=ID; Path=/; Domain=example.org; Max-Age=604800; Expires=DATE; HttpOnly; SameSite=Lax",
                "__Secure-session_id=ID; Path=/; Domain=example.org; Max-Age=604800; Expires=DATE; Secure; HttpOnly; SameSite=Lax",
            ],
        ),
        (
            |s| s.with("SESSION_EXPIRE_AT_BROWSER_CLOSE", true),
            [
                "session_id=ID; Path=/; HttpOnly; SameSite=Lax",
                "__Host-session_id=ID; Path=/; Secure; HttpOnly; SameSite=Lax",
            ],
        ),
        (
            |s| {
                s.with("SESSION_COOKIE_SECURE", true)
                    .with("SESSION_COOKIE_SAMESITE", "None")
                    .with("SESSION_COOKIE_PARTITIONED", true)
                    .with("SESSION_EXPIRE_AT_BROWSER_CLOSE", true)
            },
            [
                "__Host-session_id=ID; Path=/; Secure; HttpOnly; SameSite=None; Partitioned",
                "__Host-session_id=ID; Path=/; Secure; HttpOnly; SameSite=None; Partitioned",
            ],
        ),
        (
            |s| {
                s.with("SESSION_COOKIE_SECURE", false)
                    .with("SESSION_COOKIE_HTTPONLY", false)
                    .with("SESSION_COOKIE_SAMESITE", "Strict")
                    .with("SESSION_COOKIE_AGE", 60)
            },
            [
                "session_id=ID; Path=/; Max-Age=60; Expires=DATE; SameSite=Strict",
                "session_id=ID; Path=/; Max-Age=60; Expires=DATE; SameSite=Strict",
            ],
        ),
        (
            |s| {
                s.with("SESSION_COOKIE_PREFIX", "none")
                    .with("SESSION_COOKIE_NAME", "sid")
            },
            [
                "sid=ID; Path=/; Max-Age=604800; Expires=DATE; HttpOnly; SameSite=Lax",
                "sid=ID; Path=/; Max-Age=604800; Expires=DATE; Secure; HttpOnly; SameSite=Lax",
            ],
        ),
        (
            |s| s.with("SESSION_COOKIE_AGE", "1000 days"),
            [
                "session_id=ID; Path=/; Max-Age=34560000; Expires=DATE; HttpOnly; SameSite=Lax",
                "__Host-session_id=ID; Path=/; Max-Age=34560000; Expires=DATE; Secure; HttpOnly; SameSite=Lax",
            ],
        ),
    ];
    for (change, [http, https]) in table {
        let visitor = async || {
            let visitor = visit(change(settings()), SessionMiddleware::new(), []).await;
            visitor.at_host("example.org")
        };
        assert_eq!(sent(&visitor().await, "/set/a/1").await, http);
        let secure = visitor().await.https();
        assert_eq!(sent(&secure, "/set/a/1").await, https);
        // What removes it has all that set it, and the browser's jar is empty then.
        let removed = https
            .replace("=ID;", "=;")
            .replace("; Max-Age=604800; Expires=DATE", "")
            .replace("; Max-Age=34560000; Expires=DATE", "")
            .replace("; Max-Age=60; Expires=DATE", "");
        let (place, flags) = match removed.find("; Secure").or(removed.find("; SameSite")) {
            Some(end) => removed.split_at(end),
            None => unreachable!(),
        };
        if place.contains("/set") {
            continue; // the browser does not send it to the page
        }
        let own_host = place.split_once("; Domain=").map(|(own_host, _)| own_host);
        let places = [place].into_iter().chain(own_host);
        let expected: Vec<_> = places
            .map(|place| format!("{place}; {REMOVED}{flags}"))
            .collect();
        assert_eq!(secure.get("/logout").await.set_cookies(), expected);
    }
}

/// Over HTTPS a cookie that any subdomain or plain page could have planted is not looked at.
#[tokio::test]
async fn over_https_only_the_prefixed_name_is_read() {
    let (client, _) = scripted([]).await;
    let client = client.https();
    read(&client, "/login/7").await;
    let id = client.cookie("__Host-session_id").unwrap();
    for (cookie, user) in [
        (format!("__Host-session_id={id}"), "7"),
        (format!("session_id={id}"), "nobody"),
        (format!("__Secure-session_id={id}"), "nobody"),
        (format!("__host-session_id={id}"), "nobody"),
        (format!("x__Host-session_id={id}"), "nobody"),
        (format!("a=b;__Host-session_id={id};c"), "7"),
        (format!("session_id=AAA; __Host-session_id={id}"), "7"),
    ] {
        let response = client
            .another()
            .get("/user")
            .header("cookie", &cookie)
            .await;
        assert_eq!(response.text(), user, "{cookie}");
    }
}

/// TLS may end at a proxy that the settings do not name: requests then look like plain HTTP.
#[tokio::test]
async fn with_secure_or_a_chosen_prefix_the_name_is_the_same_over_plain_http() {
    let secure = "SESSION_COOKIE_SECURE = true";
    for (chosen, name) in [
        (secure.to_owned(), "__Host-session_id"),
        (
            format!("{secure}\nSESSION_COOKIE_PATH = '/a'"),
            "__Secure-session_id",
        ),
        (
            format!("{secure}\nSESSION_COOKIE_DOMAIN = 'a.org'"),
            "__Secure-session_id",
        ),
        (
            format!("{secure}\nSESSION_COOKIE_PREFIX = 'secure'"),
            "__Secure-session_id",
        ),
        (
            format!("{secure}\nSESSION_COOKIE_PREFIX = 'none'"),
            "session_id",
        ),
        ("SESSION_COOKIE_PREFIX = 'host'".into(), "__Host-session_id"),
        (
            "SESSION_COOKIE_PREFIX = 'secure'\nSESSION_COOKIE_SAMESITE = 'None'".into(),
            "__Secure-session_id",
        ),
    ] {
        let settings = Settings::from_toml(&format!("{chosen}\nSESSION_STORAGE = 'InMemoryCache'"));
        let client = visit(settings.unwrap(), SessionMiddleware::new(), []).await;
        let login = client.another().get("/login/7").await;
        let (sent, rest) = login.set_cookies()[0].split_once('=').unwrap();
        let (id, flags) = rest.split_once(';').unwrap();
        assert_eq!(sent, name, "{chosen}");
        assert!(flags.contains("; Secure"), "{chosen}: {flags}");
        let bare = if name == "session_id" { "7" } else { "nobody" };
        for (cookie, user) in [
            (format!("{name}={id}"), "7"),
            (format!("session_id={id}"), bare),
        ] {
            let response = client
                .another()
                .get("/user")
                .header("cookie", &cookie)
                .await;
            assert_eq!(response.text(), user, "{chosen}: {cookie}");
        }
        let cookie = format!("{name}={id}");
        let logout = client
            .another()
            .get("/logout")
            .header("cookie", &cookie)
            .await;
        let removal = logout.set_cookies()[0];
        assert!(
            removal.starts_with(&format!("{name}=; Path=/")) && removal.contains("; Secure"),
            "{removal}"
        );
    }
}

/// Only a proxy of ours can say that a request came over HTTPS.
#[tokio::test]
async fn a_forwarded_scheme_counts_from_trusted_proxies_only() {
    let trusting = settings().with("TRUSTED_PROXIES", vec!["10.0.0.1"]);
    let client = visit(trusting, SessionMiddleware::new(), []).await;
    for (peer, name) in [
        ("10.0.0.1", "__Host-session_id="),
        ("10.0.0.2", "session_id="),
    ] {
        let visitor = client
            .another()
            .from_address(format!("{peer}:80").parse().unwrap());
        let request = visitor.get("/set/a/1").header("x-forwarded-proto", "https");
        let response = request.await;
        assert!(response.set_cookies()[0].starts_with(name), "{peer}");
    }
}

#[tokio::test]
async fn several_cookie_headers_are_read_as_one() {
    let (client, _) = scripted([]).await;
    read(&client, "/login/7").await;
    let response = client
        .another()
        .get("/user")
        .header("cookie", "a=b")
        .header("cookie", &format!("session_id={}", id(&client)))
        .header("cookie", "c=d")
        .await;
    assert_eq!(response.text(), "7");
}

/// A visitor whose session ages by `Clock::manual`.
async fn aging(clock: &Clock, age: u64) -> (TestClient, ScriptedStore) {
    let cache = ScriptedStore::default();
    let settings = settings()
        .with("SESSION_STORAGE", "TestStore")
        .with("SESSION_COOKIE_AGE", i64::try_from(age).unwrap());
    let left = page("/left", async |request: Request| {
        Ok(text(
            request.session.expiry_age().await?.as_millis().to_string(),
        ))
    });
    let client = visit(settings, over(&cache).clock(clock.clone()), [left]).await;
    (client, cache)
}

#[tokio::test]
async fn a_cookie_never_outlives_its_record_and_follows_when_the_end_moves() {
    let clock = Clock::manual();
    let (client, _) = aging(&clock, 600).await;
    let mut cookie_ends = 0;
    let mut resent = 0;
    for step in 0..200_u64 {
        let response = client.get(&format!("/set/n/{step}")).await;
        if let [cookie] = response.set_cookies()[..] {
            let (_, rest) = cookie.split_once("Max-Age=").unwrap();
            let age: u64 = rest.split(';').next().unwrap().parse().unwrap();
            cookie_ends = clock.now() + age * 1000;
            resent += 1;
        }
        let left: u64 = read(&client, "/left").await.parse().unwrap();
        let record_ends = clock.now() + left;
        assert!(cookie_ends <= record_ends, "step {step}");
        assert!(cookie_ends + 1000 > record_ends, "step {step}: too short");
        assert!(left > 500_000, "step {step}: a visitor who writes stays");
        clock.advance(Duration::from_millis(7_777));
    }
    assert!((20..=35).contains(&resent), "{resent}: once a minute or so");
}

#[tokio::test]
async fn reading_moves_neither_the_end_nor_the_cookie() {
    let clock = Clock::manual();
    let (client, cache) = aging(&clock, 600).await;
    read(&client, "/set/a/1").await;
    let before = cache.versions();
    for left in [500_000_u64, 400_000, 300_000] {
        clock.advance(Duration::from_secs(100));
        let response = client.get("/left").await;
        assert_eq!(response.text(), left.to_string());
        assert_eq!(response.set_cookies(), [""; 0]);
    }
    assert_eq!(cache.versions(), before);
}

#[tokio::test]
async fn a_cookie_is_removed_by_a_logout_only_wherever_it_leads() {
    let (client, _) = scripted([]).await;
    let unknown = "A".repeat(43);
    for (path, removed) in [
        ("/plain", false),
        ("/get/a", false),
        ("/logout", true),
        ("/clear", false),
        ("/cycle", false),
        ("/set/a/1", false),
        ("/login/7", false),
    ] {
        let response = with_id(&client, &unknown).get(path).await;
        let cookies = response.set_cookies();
        let is_removal = cookies.iter().any(|cookie| cookie.contains(REMOVED));
        assert_eq!(is_removal, removed, "{path}");
        assert!(cookies.len() <= 1, "{path}");
    }
    for path in ["/logout", "/get/a"] {
        let response = client.another().get(path).await;
        assert_eq!(response.set_cookies(), [""; 0], "no cookie came: {path}");
    }
}

#[tokio::test]
async fn a_cookie_of_the_sites_with_the_sessions_name_does_not_take_its_place() {
    let pages = || {
        [page("/mine", async |request: Request| {
            request.session.set("a", 1).await?;
            let response = text("").with_cookie(("session_id", "mine"))?;
            Ok(response.with_cookie(("theme", "dark"))?)
        })]
    };
    let client = visit(settings(), SessionMiddleware::new(), pages()).await;
    let response = client.get("/mine").await;
    assert_eq!(response.status(), 200);
    let cookies = response.set_cookies();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert!(cookies.iter().all(|cookie| !cookie.contains("mine")));
    assert_eq!(read(&client, "/get/a").await, "1");
    let debug = visit(
        settings().with("DEBUG", true),
        SessionMiddleware::new(),
        pages(),
    )
    .await;
    assert_eq!(debug.get("/mine").await.status(), 500);
}
