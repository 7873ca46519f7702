//! `login_required`: around a view, a blueprint, the site.

use duck::auth::login_required;
use duck::prelude::*;
use duck::testing::TestClient;

use crate::support::{Users, bare, log_in_ada, pages, settings, visit};

async fn page(_request: Request) -> &'static str {
    "in"
}

fn blueprint() -> Blueprint {
    let urls = [
        path("/orders", page).methods([GET, POST]),
        path("/prices", page).public(),
    ];
    Blueprint::new("shop").urls(urls).middleware(login_required)
}

#[tokio::test]
async fn a_page_behind_a_login_sends_visitors_to_it_and_lets_users_in() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    for _ in 0..2 {
        let response = client.get("/account?a=1").await;
        assert_eq!(response.status(), 303);
        assert_eq!(
            response.header("location"),
            Some("/login?next=/account%3Fa%3D1")
        );
        assert_eq!(response.set_cookies(), [""; 0]);
        assert_eq!(response.header("vary"), Some("Cookie"));
    }
    log_in_ada(&client).await;
    assert_eq!(
        client.get("/account?a=1").await.text(),
        "the account of ada"
    );
    client.post("/logout").await;
    assert_eq!(client.get("/account").await.status(), 303);
}

#[tokio::test]
async fn a_blueprint_is_closed_but_for_what_is_public() {
    let users = Users::ada().await;
    let app = bare(settings(), &users).urls(pages()).urls(blueprint());
    let client = TestClient::start(app).await;
    assert_eq!(client.get("/shop/orders").await.status(), 303);
    assert_eq!(client.get("/shop/prices").await.text(), "in");
    assert_eq!(client.get("/").await.text(), "nobody");
    log_in_ada(&client).await;
    assert_eq!(client.get("/shop/orders").await.text(), "in");
}

#[tokio::test]
async fn a_closed_site_lets_everybody_to_its_login_and_its_static_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("site.css"), "p {}").unwrap();
    let users = Users::ada().await;
    let settings = settings().with("STATIC_DIR", folder.path());
    let app = bare(settings, &users).middleware(login_required);
    let app = app
        .with(duck::files::StaticFiles::new())
        .urls(pages())
        .urls([path("/sign-up", page).public()]);
    let client = TestClient::start(app).await;
    for path in [
        "/",
        "/get/cart",
        "/account",
        "/nothing-there",
        "/login/",
        "/loginx",
    ] {
        let response = client.get(path).await;
        assert_eq!(response.status(), 303, "{path}");
        let login = format!("/login?next={path}");
        assert_eq!(response.header("location"), Some(&*login));
    }
    for path in ["/login", "/login?next=/", "/sign-up", "/static/site.css"] {
        assert_eq!(client.get(path).await.status(), 200, "{path}");
    }
    assert_eq!(client.get("/static/none.css").await.status(), 404);
    log_in_ada(&client).await;
    assert_eq!(client.get("/").await.text(), "ada");
    assert_eq!(client.get("/nothing-there").await.status(), 404);
}

#[tokio::test]
async fn a_test_may_log_in_to_a_closed_site() {
    let users = Users::ada().await;
    let app = bare(settings(), &users)
        .middleware(login_required)
        .urls(pages());
    let client = TestClient::start(app).await;
    client.login(1).await;
    assert_eq!(client.get("/").await.text(), "ada");
}

/// Headers of a request, and whether a login page is an answer to it.
const REQUESTS: [(&[(&str, &str)], bool); 11] = [
    (&[], true),
    (
        &[("accept", "text/html,application/xhtml+xml,*/*;q=0.8")],
        true,
    ),
    (
        &[
            ("sec-fetch-dest", "document"),
            ("accept", "text/html,*/*;q=0.8"),
        ],
        true,
    ),
    (&[("sec-fetch-dest", "iframe")], true),
    (&[("accept", "application/json")], false),
    (&[("accept", "text/html;q=0, */*")], false),
    (&[("sec-fetch-dest", "empty"), ("accept", "*/*")], false),
    (
        &[("sec-fetch-dest", "image"), ("accept", "image/*,*/*;q=0.8")],
        false,
    ),
    (&[("sec-fetch-dest", "script")], false),
    (&[("x-requested-with", "XMLHttpRequest")], false),
    (&[("accept", "text/event-stream")], false),
];

#[tokio::test]
async fn who_asks_for_no_page_is_told_401() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    for (headers, is_page) in REQUESTS {
        let mut request = client.get("/account");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.await;
        if is_page {
            assert_eq!(response.status(), 303, "{headers:?}");
        } else {
            assert_eq!(response.status(), 401, "{headers:?}");
            assert!(response.header("www-authenticate").is_some());
            assert_eq!(response.header("location"), None);
        }
    }
}

#[tokio::test]
async fn a_form_that_comes_too_late_leads_to_the_login_without_a_way_back() {
    let users = Users::ada().await;
    let app = bare(settings(), &users).urls(pages()).urls(blueprint());
    let client = TestClient::start(app).await;
    let response = client.post("/shop/orders").form(&[("a", "1")]).await;
    assert_eq!(response.status(), 303);
    assert_eq!(response.header("location"), Some("/login"));
    let response = client.post("/shop/orders").json(&1).await;
    assert_eq!(response.status(), 401);
    let response = client.head("/shop/orders").await;
    assert_eq!(
        response.header("location"),
        Some("/login?next=/shop/orders")
    );
}

#[tokio::test]
async fn an_address_that_is_too_long_is_not_carried_along() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    let path = |length: usize| format!("/account?{}", "%".repeat(length - "/account?".len()));
    let response = client.get(&path(2_000)).await;
    let location = response.header("location").unwrap();
    assert!(
        location.len() > 2_000 && location.len() < 8_000,
        "{location}"
    );
    let response = client.get(&path(2_001)).await;
    assert_eq!(response.header("location"), Some("/login"));
}

#[tokio::test]
async fn an_address_cannot_break_out_of_the_header_or_the_query() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    let response = client
        .get("/account?a=%0d%0aset-cookie:x=1&next=//evil.example&b='")
        .await;
    let location = response.header("location").unwrap();
    let next = "/account%3Fa%3D%250d%250aset-cookie%3Ax%3D1%26next%3D//evil.example%26b%3D%27";
    assert_eq!(location, format!("/login?next={next}"));
}
