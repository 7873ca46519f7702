//! Which scripts of other sites may read.

use duck::middleware::Cors;
use duck::testing::TestResponse;

use super::*;

const SHOP: &str = "https://shop.example.org";

async fn cors(settings: &str) -> TestClient {
    let view = async |_request: Request| text("7").with_header("x-total", "1");
    let options = async |_request: Request| "its own";
    let fails =
        async |_request: Request| -> Result<String> { Err(Error::internal("as it has to")) };
    let never = async |_request: Request, _next: Next<'_>| -> Response {
        text("a middleware").with_status(StatusCode::IM_A_TEAPOT)
    };
    let app = App::new(Settings::from_toml(settings).unwrap())
        .with(Cors::new())
        .urls([
            path("/", view).methods([GET, POST]),
            path("/options", options).methods([OPTIONS]),
            path("/fails", fails),
            path("/never", view).middleware(never),
        ]);
    TestClient::start(app).await
}

async fn ask(site: &TestClient, path: &str, origin: &str) -> TestResponse {
    site.get(path).header("origin", origin).await
}

fn allowed(answer: &TestResponse) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

#[tokio::test]
async fn without_an_origin_in_the_settings_nobody_may_read() {
    for settings in ["", "CORS_ALLOW_CREDENTIALS = true"] {
        let site = cors(settings).await;
        for origin in [SHOP, "null", "https://testserver", ""] {
            let answer = ask(&site, "/", origin).await;
            let headers = answer.headers().keys().map(http::HeaderName::as_str);
            let told: Vec<_> = headers
                .filter(|name| name.starts_with("access-control"))
                .collect();
            assert!(told.is_empty(), "{origin}: {told:?}");
        }
    }
}

#[tokio::test]
async fn an_attackers_origin_is_never_told_back() {
    let site = cors(
        "CORS_ALLOWED_ORIGINS = ['https://shop.example.org', 'https://*.wild.example']\n\
         CORS_ALLOW_CREDENTIALS = true",
    )
    .await;
    for origin in [
        "null",
        "https://evil.example",
        "http://shop.example.org",
        "https://shop.example.org:8443",
        "https://shop.example.org.evil.example",
        "https://evilshop.example.org",
        "https://shop.example.org@evil.example",
        "https://evil.example/https://shop.example.org",
        "https://wild.example",
        "https://evilwild.example",
        "https://a.wild.example.evil.example",
        "https://.wild.example",
        "*",
        "",
        "https://shop.example.org, https://evil.example",
        "file://",
    ] {
        for path in ["/", "/fails", "/missing"] {
            let answer = ask(&site, path, origin).await;
            assert_eq!(allowed(&answer), None, "{origin}");
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            let vary = answer.headers().get_all("vary").iter();
            let vary: Vec<_> = vary.map(|value| value.to_str().unwrap()).collect();
            assert!(vary.contains(&"Origin"), "{vary:?}");
        }
        let answer = site
            .options("/")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .await;
        assert_eq!(
            (answer.status().as_u16(), allowed(&answer)),
            (204, None),
            "{origin}"
        );
        assert_eq!(answer.header("access-control-allow-methods"), None);
    }
    for origin in [SHOP, "https://a.wild.example", "https://b.a.wild.example"] {
        let answer = ask(&site, "/", origin).await;
        assert_eq!(allowed(&answer), Some(origin));
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            Some("true")
        );
    }
    let twice = site
        .get("/")
        .header("origin", SHOP)
        .header("origin", "https://evil.example")
        .await;
    assert_eq!(allowed(&twice), None);
    let nobody = site.get("/").await;
    assert_eq!(
        nobody.header("vary"),
        Some("Origin"),
        "a cache keeps it for no other origin"
    );
}

#[tokio::test]
async fn a_question_beforehand_is_answered_before_any_view_middleware_or_method() {
    let site = cors(
        "CORS_ALLOWED_ORIGINS = ['https://shop.example.org']\n\
         CORS_ALLOW_METHODS = ['PUT']\nCORS_ALLOW_HEADERS = ['x-own']\nCORS_PREFLIGHT_MAX_AGE = '10 min'",
    )
    .await;
    for path in ["/", "/never", "/options", "/missing"] {
        let question = site.options(path).header("origin", SHOP);
        let answer = question
            .header("access-control-request-method", "PUT")
            .header("access-control-request-headers", "x-own")
            .await;
        assert_eq!(
            (answer.status().as_u16(), answer.text()),
            (204, ""),
            "{path}"
        );
        assert_eq!(allowed(&answer), Some(SHOP));
        assert_eq!(answer.header("access-control-allow-methods"), Some("PUT"));
        assert_eq!(answer.header("access-control-allow-headers"), Some("x-own"));
        assert_eq!(answer.header("access-control-max-age"), Some("600"));
        assert_eq!(answer.header("set-cookie"), None);
        assert_eq!(
            answer.header("vary"),
            Some("Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
        );
    }
    // Any other OPTIONS is the site's.
    let own = site.options("/options").header("origin", SHOP).await;
    assert_eq!((own.text(), allowed(&own)), ("its own", Some(SHOP)));
}

#[tokio::test]
async fn errors_are_readable_too_and_headers_that_are_named() {
    let site = cors(
        "CORS_ALLOWED_ORIGINS = ['https://shop.example.org']\nCORS_EXPOSE_HEADERS = ['x-total', 'etag']",
    )
    .await;
    for path in ["/", "/fails", "/missing"] {
        let answer = ask(&site, path, SHOP).await;
        assert_eq!(allowed(&answer), Some(SHOP), "{path}");
        assert_eq!(
            answer.header("access-control-expose-headers"),
            Some("x-total, etag")
        );
    }
}

#[tokio::test]
async fn a_star_lets_everybody_read_what_everybody_gets() {
    let site = cors("CORS_ALLOWED_ORIGINS = ['*']").await;
    for origin in [SHOP, "null"] {
        let answer = ask(&site, "/", origin).await;
        assert_eq!(allowed(&answer), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!(answer.header("vary"), None);
    }
    // What a cache keeps of this is handed to scripts of other sites.
    assert_eq!(allowed(&site.get("/").await), Some("*"));
}

#[tokio::test]
async fn who_may_read_may_not_send_until_csrf_trusted_origins_says_so() {
    let cors_only = "CORS_ALLOWED_ORIGINS = ['https://shop.example.org']";
    for (settings, status) in [
        (cors_only.to_owned(), 403),
        (
            format!("{cors_only}\nCSRF_TRUSTED_ORIGINS = ['https://shop.example.org']"),
            200,
        ),
    ] {
        let site = cors(&settings).await;
        let sent = site
            .post("/")
            .header("origin", SHOP)
            .header("sec-fetch-site", "cross-site");
        assert_eq!(sent.await.status(), status);
    }
}
