//! Rate limits: who is counted, what the refused see, and who tries to get around it.

use std::net::SocketAddr;
use std::time::Duration;

use duck::middleware::RateLimit;
use duck::prelude::*;
use duck::testing::{TestClient, TestResponse};
use tokio::time::advance;

async fn page(_request: Request) -> &'static str {
    "page"
}

fn app(limit: impl Into<RateLimit>) -> App {
    App::new(Settings::default()).urls([path("/", page).limit(limit)])
}

fn from(client: TestClient, address: &str) -> TestClient {
    let port = if address.contains(':') {
        format!("[{address}]:9")
    } else {
        format!("{address}:9")
    };
    client.from_address(port.parse::<SocketAddr>().expect("an address"))
}

/// How many of so many requests pass.
async fn passed(site: &TestClient, requests: usize) -> usize {
    let mut passed = 0;
    for _ in 0..requests {
        passed += usize::from(site.get("/").await.status() == 200);
    }
    passed
}

fn wait(refused: &TestResponse) -> u64 {
    assert_eq!(refused.status(), 429);
    let seconds = refused.header("retry-after").expect("a Retry-After");
    seconds.parse().expect("whole seconds")
}

#[tokio::test(start_paused = true)]
async fn so_many_pass_at_once_and_one_more_after_the_wait_that_is_told() {
    let site = TestClient::start(app("5/min")).await;
    assert_eq!(passed(&site, 20).await, 5);
    assert_eq!(wait(&site.get("/").await), 12);
    advance(Duration::from_millis(11_001)).await;
    assert_eq!(wait(&site.get("/").await), 1, "rounded up");
    advance(Duration::from_secs(1)).await;
    assert_eq!(passed(&site, 5).await, 1);
    advance(Duration::from_mins(1)).await;
    assert_eq!(passed(&site, 20).await, 5, "a minute later all again");
}

/// Whatever the limit and whenever it is asked: after the wait that was told, one passes, and not before.
#[tokio::test(start_paused = true)]
async fn after_retry_after_one_request_passes() {
    for limit in ["1/s", "3/s", "7/min", "100/hour", "1000/day", "11/day"] {
        let site = TestClient::start(app(limit)).await;
        while site.get("/").await.status() == 200 {}
        for pause in [0, 1, 999, 1001, 2500] {
            advance(Duration::from_millis(pause)).await;
            let mut refused = site.get("/").await;
            while refused.status() == 200 {
                refused = site.get("/").await;
            }
            let seconds = wait(&refused);
            assert!(seconds >= 1);
            advance(Duration::from_secs(seconds)).await;
            assert_eq!(site.get("/").await.status(), 200, "{limit} {pause}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_as_large_as_it_says() {
    let site = TestClient::start(app(RateLimit::new("10/s").burst(1))).await;
    assert_eq!(passed(&site, 20).await, 1);
    advance(Duration::from_millis(100)).await;
    assert_eq!(passed(&site, 20).await, 1);
    let site = TestClient::start(app(RateLimit::new("1/hour").burst(30))).await;
    assert_eq!(passed(&site, 100).await, 30);
}

#[tokio::test(start_paused = true)]
async fn addresses_are_counted_one_by_one() {
    let site = from(TestClient::start(app("2/min")).await, "192.0.2.1");
    assert_eq!(passed(&site, 9).await, 2);
    let other = from(site.another(), "192.0.2.2");
    assert_eq!(passed(&other, 9).await, 2);
    let mapped = from(site.another(), "::ffff:192.0.2.1");
    assert_eq!(passed(&mapped, 9).await, 0, "the same address");
}

#[tokio::test(start_paused = true)]
async fn an_ipv6_network_of_64_bits_is_one_visitor() {
    let site = TestClient::start(app("5/min")).await;
    let mut answered = 0;
    for n in 0..200 {
        let client = from(site.another(), &format!("2001:db8:1:2:{n:x}::{n:x}"));
        answered += passed(&client, 1).await;
    }
    assert_eq!(answered, 5);
    let neighbour = from(site.another(), "2001:db8:1:3::1");
    assert_eq!(passed(&neighbour, 9).await, 5);
}

#[tokio::test(start_paused = true)]
async fn made_up_forwarding_headers_are_no_other_address() {
    let site = from(TestClient::start(app("5/min")).await, "192.0.2.1");
    let mut answered = 0;
    for n in 0..100 {
        let address = format!("203.0.113.{n}");
        let page = site
            .get("/")
            .header("x-forwarded-for", &address)
            .header("forwarded", &format!("for={address}"))
            .header("x-real-ip", &address)
            .header("cf-connecting-ip", &address)
            .await;
        answered += usize::from(page.status() == 200);
    }
    assert_eq!(answered, 5);
}

#[tokio::test(start_paused = true)]
async fn behind_a_trusted_proxy_the_visitor_counts_and_what_they_claim_does_not() {
    let app = app("5/min").setting("TRUSTED_PROXIES", ["10.0.0.7"]);
    let proxy = from(TestClient::start(app).await, "10.0.0.7");
    let mut answered = 0;
    for n in 0..100 {
        // The proxy writes the last one; what stands before it came from the visitor.
        let chain = format!("203.0.113.{n}, 192.0.2.1");
        let page = proxy.get("/").header("x-forwarded-for", &chain).await;
        answered += usize::from(page.status() == 200);
    }
    assert_eq!(answered, 5);
    let other = proxy.get("/").header("x-forwarded-for", "192.0.2.2").await;
    assert_eq!(other.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_the_form_that_the_client_takes() {
    let site = TestClient::start(app("1/min")).await;
    assert_eq!(passed(&site, 1).await, 1);
    let json = site.get("/").header("accept", "application/json").await;
    assert_eq!(wait(&json), 60);
    assert_eq!(
        json.header("content-type"),
        Some("application/problem+json")
    );
    let problem: serde_json::Value = serde_json::from_str(json.text()).expect("JSON");
    assert_eq!(problem["status"], 429);
    assert_eq!(problem["title"], "Too Many Requests");
    assert_eq!(
        problem["detail"],
        "too many requests: try again in 60 seconds"
    );
    let html = site.get("/").header("accept", "text/html").await;
    assert_eq!(wait(&html), 60);
    assert!(
        html.text()
            .contains("<p>too many requests: try again in 60 seconds</p>")
    );
    let text = site.get("/").await;
    assert_eq!(
        text.text(),
        "429 Too Many Requests\ntoo many requests: try again in 60 seconds\n"
    );
}

#[tokio::test(start_paused = true)]
async fn head_counts_as_get_and_options_of_duck_does_not_count() {
    let site = TestClient::start(app("5/min")).await;
    for _ in 0..4 {
        assert_eq!(site.request(HEAD, "/").await.status(), 200);
        assert_eq!(site.request(OPTIONS, "/").await.status(), 204);
        assert_eq!(site.post("/").await.status(), 405);
    }
    assert_eq!(passed(&site, 9).await, 1);
    let head = site.request(HEAD, "/").await;
    assert_eq!((wait(&head), head.text()), (12, ""));
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_a_method_leaves_the_others_alone() {
    let limit = RateLimit::new("1/min").methods([POST]);
    let app =
        App::new(Settings::default()).urls([path("/", page).methods([GET, POST]).limit(limit)]);
    let site = TestClient::start(app).await;
    assert_eq!(site.post("/").await.status(), 200);
    assert_eq!(site.post("/").await.status(), 429);
    assert_eq!(passed(&site, 9).await, 9);
}

#[tokio::test(start_paused = true)]
async fn a_blueprint_counts_its_views_together_and_two_views_count_alone() {
    let views = || ["/a", "/b"].map(|at| path(at, page));
    let together = Blueprint::new("api")
        .prefix("/api")
        .limit("3/min")
        .urls(views());
    let alone = views().map(|view| view.limit("2/min"));
    let site = TestClient::start(App::new(Settings::default()).urls(together).urls(alone)).await;
    let statuses = async |paths: [&str; 6]| {
        let mut statuses = Vec::new();
        for path in paths {
            statuses.push(site.get(path).await.status().as_u16());
        }
        statuses
    };
    let api = statuses(["/api/a", "/api/b", "/api/a", "/api/b", "/api/a", "/api/b"]).await;
    assert_eq!(api, [200, 200, 200, 429, 429, 429]);
    let own = statuses(["/a", "/a", "/a", "/b", "/b", "/b"]).await;
    assert_eq!(own, [200, 200, 429, 200, 200, 429]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_the_site_counts_what_is_not_there_too() {
    let app = App::new(Settings::default())
        .limit("4/min")
        .urls([path("/", page)]);
    let site = TestClient::start(app).await;
    for (path, status) in [
        ("/", 200),
        ("/none", 404),
        ("/x", 404),
        ("/", 200),
        ("/", 429),
        ("/x", 429),
    ] {
        assert_eq!(site.get(path).await.status(), status, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_strictest_of_several_limits_counts() {
    let app = App::new(Settings::default()).urls([path("/", page).limit("2/s").limit("5/hour")]);
    let site = TestClient::start(app).await;
    let mut answered = Vec::new();
    for _ in 0..4 {
        answered.push(passed(&site, 9).await);
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(answered, [2, 2, 1, 0]);
    assert!(wait(&site.get("/").await) > 700);
}

#[tokio::test(start_paused = true)]
async fn a_key_of_the_sites_own_is_counted_wherever_it_comes_from() {
    let limit =
        RateLimit::new("2/min").per_key(|request| Some(request.header("x-api-key")?.to_owned()));
    let site = TestClient::start(app(limit)).await;
    let ask = async |key: Option<&str>, address: &str| {
        let client = from(site.another(), address);
        let request = client.get("/");
        let request = match key {
            Some(key) => request.header("x-api-key", key),
            None => request,
        };
        request.await.status().as_u16()
    };
    assert_eq!(ask(Some("one"), "192.0.2.1").await, 200);
    assert_eq!(ask(Some("one"), "192.0.2.2").await, 200);
    assert_eq!(ask(Some("one"), "192.0.2.3").await, 429);
    assert_eq!(ask(Some("two"), "192.0.2.1").await, 200);
    for status in [200, 200, 429] {
        assert_eq!(ask(None, "192.0.2.1").await, status, "by address");
    }
    // A key that looks like an address is another key than that address.
    assert_eq!(ask(Some("192.0.2.1"), "192.0.2.9").await, 200);
}

#[tokio::test]
async fn a_limit_that_is_none_stops_the_start_and_names_its_pattern_and_line() {
    let settings = Settings::default;
    let line = line!() + 3;
    #[rustfmt::skip] // one line each
    let wrong = [
        App::new(settings()).urls([path("/login", page).limit("5/mn")]),
        App::new(settings()).urls(Blueprint::new("login").limit("5 per min").urls([path("", page)])),
        App::new(settings()).limit("0/min"),
        App::new(settings()).urls([path("/login", page).limit(RateLimit::new("5/min").burst(0))]),
        App::new(settings()).urls([path("/login", page).limit(RateLimit::new("5/min").per_user())]),
        App::new(settings()).limit(RateLimit::new("5/min").per_user()),
    ];
    let form = "is written as \"5/min\": a number, `/`, and `s`, `min`, `hour` or `day`";
    let sessions = "a limit per user takes sessions: add `.with(SessionMiddleware::new())` to the app, before it";
    let says = [
        (
            "the URL pattern \"/login\"",
            format!("the limit \"5/mn\" {form}"),
        ),
        (
            "the URL pattern \"/login\"",
            format!("the limit \"5 per min\" {form}"),
        ),
        (
            "the site",
            "the limit \"0/min\" lets through one at least".to_owned(),
        ),
        (
            "the URL pattern \"/login\"",
            "a burst of 0 lets nobody through".to_owned(),
        ),
        ("the URL pattern \"/login\"", sessions.to_owned()),
        ("the site", sessions.to_owned()),
    ];
    for (at, (app, (what, why))) in (0..).zip(wrong.into_iter().zip(says)) {
        let error = app.start().await.expect_err("it cannot start").to_string();
        let place = format!("({}:{})", file!(), line + at);
        assert_eq!(error, format!("{what} {place}: {why}"));
    }
}
