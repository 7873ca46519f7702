//! Requests that pages of other sites have a visitor's browser make.

#[cfg(feature = "tower")]
#[path = "../chromium/mod.rs"]
mod browser;
mod chromium;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use duck::Site;
use duck::http::{Body, Connection};
use duck::prelude::*;
use duck::testing::TestClient;
use http_body_util::BodyExt;

async fn save(request: Request) -> String {
    format!("saved by {}", request.method())
}

fn urls() -> [UrlPattern; 1] {
    [path("/save", save).any_method()]
}

fn settings() -> Settings {
    Settings::default()
}

fn trusting() -> Settings {
    settings().with(
        "CSRF_TRUSTED_ORIGINS",
        ["https://shop.example", "https://*.friend.example"],
    )
}

async fn site(settings: Settings) -> Site {
    let app = App::new(settings).urls(urls());
    app.start().await.expect("a site")
}

const HTTP: Connection = Connection {
    peer: None,
    secure: false,
};

const HTTPS: Connection = Connection {
    peer: None,
    secure: true,
};

/// Sends a request with these headers and no others.
async fn ask(
    site: &Site,
    method: Method,
    headers: &[(&str, &str)],
    connection: Connection,
) -> (u16, String) {
    let mut request = http::Request::builder().method(method).uri("/save");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).expect("a request");
    let response = site.respond(request, connection).await.into_http();
    let status = response.status().as_u16();
    let body: Bytes = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

async fn post(site: &Site, headers: &[(&str, &str)], connection: Connection) -> u16 {
    ask(site, Method::POST, headers, connection).await.0
}

const HOST: (&str, &str) = ("host", "duck.example");
const SAME_ORIGIN: (&str, &str) = ("sec-fetch-site", "same-origin");
const SAME_SITE: (&str, &str) = ("sec-fetch-site", "same-site");
const CROSS_SITE: (&str, &str) = ("sec-fetch-site", "cross-site");
const NONE: (&str, &str) = ("sec-fetch-site", "none");
const OWN: (&str, &str) = ("origin", "http://duck.example");
const EVIL: (&str, &str) = ("origin", "http://evil.example");
const SHOP: (&str, &str) = ("origin", "https://shop.example");
const NULL: (&str, &str) = ("origin", "null");

#[tokio::test]
async fn what_the_browser_says_of_the_page_decides() {
    let site = site(trusting()).await;
    for (headers, expected) in [
        (&[HOST][..], 200),
        (&[], 200),
        (&[HOST, SAME_ORIGIN], 200),
        (&[HOST, SAME_ORIGIN, OWN], 200),
        // With `Referrer-Policy: no-referrer` a site's own pages have no origin to name.
        (&[HOST, SAME_ORIGIN, NULL], 200),
        (&[HOST, NONE], 200),
        (&[HOST, CROSS_SITE], 403),
        (&[HOST, CROSS_SITE, EVIL], 403),
        (&[HOST, CROSS_SITE, NULL], 403),
        // It knows better than a comparison of names.
        (&[HOST, CROSS_SITE, OWN], 403),
        (&[HOST, SAME_SITE], 403),
        (
            &[HOST, SAME_SITE, ("origin", "http://www.duck.example")],
            403,
        ),
        (&[HOST, SAME_SITE, OWN], 403),
        (&[HOST, CROSS_SITE, SHOP], 200),
        (&[HOST, SAME_SITE, SHOP], 200),
        (
            &[HOST, CROSS_SITE, ("origin", "https://a.friend.example")],
            200,
        ),
        (
            &[HOST, CROSS_SITE, ("origin", "https://friend.example")],
            403,
        ),
        (&[HOST, CROSS_SITE, ("origin", "http://shop.example")], 403),
        (&[HOST, CROSS_SITE, SHOP, EVIL], 403),
        (&[HOST, CROSS_SITE, SHOP, SHOP], 403),
        // Nothing that a browser sends.
        (&[HOST, ("sec-fetch-site", "")], 403),
        (&[HOST, ("sec-fetch-site", "Same-Origin")], 403),
        (&[HOST, ("sec-fetch-site", "same-origin, none")], 403),
        (&[HOST, SAME_ORIGIN, SAME_ORIGIN], 403),
        (&[HOST, SAME_ORIGIN, CROSS_SITE], 403),
        (&[HOST, CROSS_SITE, SAME_ORIGIN], 403),
        (&[HOST, ("sec-fetch-site", "\u{e9}")], 403),
    ] {
        assert_eq!(post(&site, headers, HTTP).await, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn without_fetch_metadata_the_origin_has_to_be_this_host() {
    let site = site(trusting()).await;
    for (host, origin, expected) in [
        ("duck.example", "http://duck.example", 200),
        ("duck.example", "HTTP://Duck.Example", 200),
        ("Duck.Example", "http://duck.example", 200),
        ("duck.example:80", "http://duck.example", 200),
        ("duck.example", "http://duck.example:80", 200),
        ("duck.example:8000", "http://duck.example:8000", 200),
        ("duck.example.", "http://duck.example.", 200),
        ("[::1]:8000", "http://[::1]:8000", 200),
        ("127.0.0.1:8000", "http://127.0.0.1:8000", 200),
        ("xn--bcher-kva.example", "http://xn--bcher-kva.example", 200),
        // A proxy that nobody named may have decrypted it.
        ("duck.example", "https://duck.example", 200),
        ("duck.example:443", "https://duck.example", 200),
        ("duck.example:8443", "https://duck.example:8443", 200),
        ("duck.example", "https://shop.example", 200),
        ("duck.example:8000", "http://duck.example", 403),
        ("duck.example", "http://duck.example:8000", 403),
        ("duck.example:8000", "http://duck.example:8001", 403),
        ("duck.example", "https://duck.example:80", 403),
        ("duck.example:80", "https://duck.example", 403),
        ("duck.example", "http://duck.example.", 403),
        ("duck.example.", "http://duck.example", 403),
        ("duck.example", "http://www.duck.example", 403),
        ("www.duck.example", "http://duck.example", 403),
        ("duck.example", "http://duck.example.evil.example", 403),
        ("duck.example", "http://evil.example", 403),
        ("localhost:8000", "http://127.0.0.1:8000", 403),
        ("[::1]", "http://[::2]", 403),
        ("duck.example", "null", 403),
        ("duck.example", "NULL", 403),
        ("duck.example", "", 403),
        ("duck.example", "duck.example", 403),
        ("duck.example", "//duck.example", 403),
        ("duck.example", "ftp://duck.example", 403),
        ("duck.example", "http://", 403),
        ("duck.example", "http://duck.example/", 403),
        ("duck.example", "http://duck.example/save", 403),
        ("duck.example", "http://duck.example?", 403),
        ("duck.example", "http://evil@duck.example", 403),
        ("duck.example", "http://duck.example@evil.example", 403),
        (
            "duck.example",
            "http://duck.example http://evil.example",
            403,
        ),
        (
            "duck.example",
            "http://duck.example, http://evil.example",
            403,
        ),
        ("duck.example", "http://duck.example:80:80", 403),
        ("duck.example", "http://duck.example:080x", 403),
        ("duck.example", "http://b\u{fc}cher.example", 403),
        ("duck.example", "\u{e9}", 403),
    ] {
        let headers = [("host", host), ("origin", origin)];
        assert_eq!(post(&site, &headers, HTTP).await, expected, "{headers:?}");
    }
    let twice = [HOST, OWN, OWN];
    assert_eq!(post(&site, &twice, HTTP).await, 403);
    // A page's origin is no host's where the request names none.
    assert_eq!(post(&site, &[OWN], HTTP).await, 403);
}

#[tokio::test]
async fn over_https_a_page_of_http_is_another_origin() {
    let site = site(settings()).await;
    let https = ("origin", "https://duck.example");
    assert_eq!(post(&site, &[HOST, https], HTTPS).await, 200);
    assert_eq!(post(&site, &[HOST, OWN], HTTPS).await, 403);
    let port = ("origin", "http://duck.example:443");
    assert_eq!(post(&site, &[HOST, port], HTTPS).await, 403);
}

#[tokio::test]
async fn what_a_trusted_proxy_says_of_host_and_scheme_counts() {
    let site = site(settings().with("TRUSTED_PROXIES", ["10.0.0.7"])).await;
    let from = |peer: &str| Connection {
        peer: Some(SocketAddr::new(peer.parse().expect("an address"), 99)),
        secure: false,
    };
    let forwarded = (
        "forwarded",
        "for=192.0.2.1;proto=https;host=\"duck.example:8443\"",
    );
    let inside = ("host", "127.0.0.1:8000");
    for (peer, origin, expected) in [
        ("10.0.0.7", "https://duck.example:8443", 200),
        ("10.0.0.7", "http://duck.example:8443", 403),
        ("10.0.0.7", "https://duck.example", 403),
        ("10.0.0.7", "http://127.0.0.1:8000", 403),
        ("192.0.2.1", "https://duck.example:8443", 403),
        ("192.0.2.1", "http://127.0.0.1:8000", 200),
    ] {
        let headers = [inside, forwarded, ("origin", origin)];
        let status = post(&site, &headers, from(peer)).await;
        assert_eq!(status, expected, "{peer} {origin}");
    }
    let https = ("x-forwarded-proto", "https");
    assert_eq!(
        post(&site, &[HOST, https, OWN], from("10.0.0.7")).await,
        403
    );
    // The proxy was not named: nobody is locked out of the site.
    let unnamed = [HOST, https, ("origin", "https://duck.example")];
    assert_eq!(post(&site, &unnamed, from("192.0.2.1")).await, 200);
}

#[tokio::test]
async fn every_method_that_may_change_something_is_looked_at_and_no_other() {
    let site = site(settings()).await;
    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        let method: Method = method.parse().expect("a method");
        let (status, _) = ask(&site, method.clone(), &[HOST, CROSS_SITE, EVIL], HTTP).await;
        assert_eq!(status, 200, "{method}");
    }
    for method in [
        "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "QUACK", "get", "CONNECT",
    ] {
        let method: Method = method.parse().expect("a method");
        let (status, _) = ask(&site, method.clone(), &[HOST, CROSS_SITE, EVIL], HTTP).await;
        assert_eq!(status, 403, "{method}");
    }
}

/// Counts what comes through.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Middleware for Counting {
    async fn handle(&self, request: Request, next: Next<'_>) -> Result<Response> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(next.run(request).await)
    }
}

struct Note;

impl ClassView for Note {
    const METHODS: &'static [Method] = &[Method::POST];

    async fn post(&self, _request: Request) -> Result<Response> {
        Ok(text("noted"))
    }
}

#[tokio::test]
async fn a_refused_request_reaches_no_view_and_no_middleware_whatever_it_asks_for() {
    let counting = Counting::default();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.txt"), "a").expect("a file");
    let part = Blueprint::new("part").urls([path("/save", save).methods([POST])]);
    let app = App::new(
        settings()
            .with("STATIC_DIR", folder.path())
            .with("DEBUG", true),
    )
    .middleware(counting.clone())
    .with(duck::files::StaticFiles::new())
    .urls([
        path("/save", save).any_method(),
        path("/read", save),
        path("/note", class_view(Note)),
        path("/slash/", save).methods([POST]),
        re_path("/re/.*", save).methods([POST]),
    ])
    .urls(part);
    let site = TestClient::start(app).await;
    for (target, own) in [
        ("/save", 200),
        ("/note", 200),
        ("/part/save", 200),
        ("/re/1", 200),
        ("/read", 405),
        ("/static/a.txt", 405),
        ("/nowhere", 404),
        ("/slash", 308),
        ("/%zz", 400),
    ] {
        let before = counting.0.load(Ordering::Relaxed);
        let refused = site.post(target).from_origin("https://evil.example").await;
        assert_eq!(refused.status(), 403, "{target}");
        assert_eq!(counting.0.load(Ordering::Relaxed), before, "{target}");
        assert_eq!(site.post(target).await.status(), own, "{target}");
        assert_eq!(counting.0.load(Ordering::Relaxed), before + 1, "{target}");
    }
}

#[tokio::test]
async fn a_view_and_a_blueprint_can_do_without() {
    let open = Blueprint::new("open").csrf(false).urls([
        path("/", save).methods([POST]),
        path("/guarded", save).methods([POST]).csrf(true),
    ]);
    let inner = Blueprint::new("inner")
        .csrf(true)
        .urls([path("/", save).methods([POST])]);
    let around = Blueprint::new("around").csrf(false).urls(inner);
    let app = App::new(settings())
        .urls([
            path("/hook", save).methods([POST]).csrf(false),
            path("/hook", save).methods([PUT]),
            path("/save", save).methods([POST]),
        ])
        .urls(open)
        .urls(around);
    let site = TestClient::start(app).await;
    for (method, target, status) in [
        (POST, "/hook", 200),
        (PUT, "/hook", 403),
        (DELETE, "/hook", 403),
        (POST, "/save", 403),
        (POST, "/open/", 200),
        (POST, "/open/guarded", 403),
        (POST, "/around/inner/", 403),
        (POST, "/hook/x", 403),
    ] {
        let request = site
            .request(method.clone(), target)
            .from_origin("https://evil.example");
        assert_eq!(request.await.status(), status, "{method} {target}");
    }
}

#[tokio::test]
async fn in_debug_the_page_says_what_to_do_and_else_it_says_nothing() {
    let ask_as = async |debug: bool, headers: &[(&str, &str)]| {
        let site = site(
            settings()
                .with("DEBUG", debug)
                .with("ALLOWED_HOSTS", ["duck.example"]),
        )
        .await;
        ask(&site, Method::POST, headers, HTTP).await.1
    };
    let page = ask_as(true, &[HOST, CROSS_SITE, SHOP]).await;
    for says in [
        "`Sec-Fetch-Site` is \"cross-site\"",
        "`Origin` is \"https://shop.example\"",
        "CSRF_TRUSTED_ORIGINS = [\"https://shop.example\"]",
        "`.csrf(false)`",
    ] {
        assert!(page.contains(says), "{says}: {page}");
    }
    let page = ask_as(true, &[HOST, EVIL]).await;
    assert!(
        page.contains("this host is \"duck.example\"") && page.contains("`Host`"),
        "{page}"
    );
    let page = ask_as(true, &[HOST, NULL]).await;
    assert!(
        page.contains("`Origin` is \"null\"") && !page.contains("CSRF_TRUSTED_ORIGINS"),
        "{page}"
    );
    let page = ask_as(
        true,
        &[HOST, CROSS_SITE, ("origin", "http://<script>alert(1)")],
    )
    .await;
    assert!(
        page.contains("`Origin` is not one origin") && !page.contains("script"),
        "{page}"
    );
    assert_eq!(
        ask_as(false, &[HOST, CROSS_SITE, SHOP]).await,
        "403 Forbidden\n"
    );
}

#[tokio::test]
async fn a_wrong_trusted_origin_keeps_the_site_from_starting() {
    let settings =
        Settings::from_toml("CSRF_TRUSTED_ORIGINS = [\n'shop.example']").expect("settings");
    let error = App::new(settings).start().await.expect_err("no site");
    let error = error.chain();
    assert!(
        error.contains("line 1: CSRF_TRUSTED_ORIGINS: \"shop.example\" has no scheme; write \"https://shop.example\""),
        "{error}"
    );
}

#[tokio::test]
async fn a_test_poses_as_a_page_of_the_site_or_of_another() {
    let app = App::new(trusting()).urls(urls());
    let client = TestClient::start(app).await;
    assert_eq!(client.post("/save").await.status(), 200);
    assert_eq!(client.post("/save").form(&[("a", "b")]).await.status(), 200);
    assert_eq!(
        client
            .post("/save")
            .from_origin("https://evil.example")
            .await
            .status(),
        403
    );
    assert_eq!(
        client
            .post("/save")
            .from_origin("https://shop.example")
            .await
            .status(),
        200
    );
    assert_eq!(
        client
            .post("/save")
            .header("origin", "http://testserver")
            .await
            .status(),
        200
    );
    assert_eq!(
        client.post("/save").header("origin", "null").await.status(),
        403
    );
    assert_eq!(
        client
            .post("/save")
            .header("sec-fetch-site", "same-site")
            .await
            .status(),
        403
    );
}
