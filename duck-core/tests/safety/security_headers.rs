//! The headers of every response, and the policy of what a page may run.

use std::collections::BTreeSet;

use duck::StatusCode;

use super::*;

const POLICY: &str = "content-security-policy";

async fn home(_request: Request) -> Html<&'static str> {
    Html("home")
}

async fn fails(_request: Request) -> Result<String> {
    Err(Error::internal("as it has to"))
}

async fn with_nonce(request: Request) -> Html<String> {
    let nonce = request.csp_nonce();
    assert_eq!(nonce, request.csp_nonce());
    Html(format!("<script nonce=\"{nonce}\"></script>"))
}

/// The headers of this module that a response has, as `docs/headers.md` lists them.
fn headers(page: &duck::testing::TestResponse) -> String {
    let names = [
        POLICY,
        "x-frame-options",
        "x-content-type-options",
        "referrer-policy",
        "cross-origin-opener-policy",
        "strict-transport-security",
    ];
    let lines = names.iter().flat_map(|name| {
        let values = page.headers().get_all(*name).iter();
        values.map(move |value| format!("{name}: {}\n", value.to_str().unwrap()))
    });
    lines.collect()
}

/// The block of the guide that has the headers of a site that sets nothing.
fn documented() -> String {
    let guide = include_str!("../../../docs/headers.md");
    let (_, rest) = guide.split_once("```http\n").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    block.to_lowercase()
}

#[tokio::test]
async fn the_headers_are_those_of_the_guide_on_every_kind_of_response() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("site.css"), "p{}").unwrap();
    std::fs::write(folder.path().join("upload.html"), "<script>").unwrap();
    let urls = [
        path("/", home),
        path("/fails", fails),
        path("/moves", async |_request: Request| redirect_to("/")),
        path("/panics", async |_request: Request| -> &'static str {
            panic!("as it has to")
        }),
        path("/json", async |_request: Request| json(&[1])),
        path("/stream", async |_request: Request| {
            duck::http::stream(
                "text/html",
                futures_util::stream::iter([Ok::<_, Error>(Bytes::from("a"))]),
            )
        }),
        path("/post", home).methods([POST]),
        static_folder("/static/", folder.path()),
    ];
    let site = site("", urls).await.https();
    let expected = documented();
    assert_eq!(expected.lines().count(), 6, "{expected}");
    for (path, status) in [
        ("/", 200),
        ("/json", 200),
        ("/stream", 200),
        ("/moves", 303),
        ("/static/site.css", 200),
        ("/static/none.css", 404),
        ("/missing", 404),
        ("/post", 405),
        ("/fails", 500),
        ("/panics", 500),
    ] {
        let page = site.get(path).await;
        assert_eq!(page.status(), status, "{path}");
        assert_eq!(headers(&page).to_lowercase(), expected, "{path}");
    }
    let head = site.head("/").await;
    assert_eq!(headers(&head).to_lowercase(), expected);
    let refused = site
        .post("/post")
        .header("sec-fetch-site", "cross-site")
        .await;
    assert_eq!(refused.status(), 403);
    assert_eq!(headers(&refused).to_lowercase(), expected);
}

#[tokio::test]
async fn a_host_that_is_not_the_sites_is_told_them_too() {
    let site = site("ALLOWED_HOSTS = ['own.example']", [path("/", home)]).await;
    let page = site.at_host("other.example").get("/").await;
    assert_eq!(page.status(), 400);
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn turned_off_there_are_none() {
    let urls = [path("/", home), path("/nonce", with_nonce)];
    let site = site("SECURITY_HEADERS = false", urls).await.https();
    for path in ["/", "/nonce", "/missing"] {
        let page = site.get(path).await;
        assert_eq!(headers(&page), "", "{path}");
        assert_eq!(page.header("cache-control"), None, "{path}");
    }
}

#[tokio::test]
async fn an_error_page_runs_and_loads_nothing_and_names_its_styles() {
    for settings in ["", "DEBUG = true"] {
        let site = site(settings, [path("/fails", fails)]).await;
        for path in ["/fails", "/missing"] {
            let page = site.get(path).header("accept", "text/html").await;
            let policy = page.header(POLICY).unwrap();
            assert!(
                policy.starts_with("default-src 'none'; style-src 'sha256-"),
                "{policy}"
            );
            assert!(!policy.contains("unsafe"), "{policy}");
            assert_eq!(page.header("x-frame-options"), Some("DENY"));
            assert_eq!(page.headers().get_all(POLICY).iter().count(), 1);
            assert!(!page.text().contains(" style="), "{}", page.text());
        }
    }
}

#[tokio::test]
async fn transport_security_is_sent_over_https_alone_and_never_in_development() {
    let header = "strict-transport-security";
    for (settings, secure, expected) in [
        ("", true, Some("max-age=31536000")),
        ("", false, None),
        ("DEBUG = true", true, None),
        ("SECURE_HSTS_SECONDS = 0", true, None),
        (
            "SECURE_HSTS_SECONDS = '2 days'\nSECURE_HSTS_INCLUDE_SUBDOMAINS = true",
            true,
            Some("max-age=172800; includeSubDomains"),
        ),
    ] {
        let site = site(settings, [path("/", home)]).await;
        let site = if secure { site.https() } else { site };
        assert_eq!(site.get("/").await.header(header), expected, "{settings}");
    }
    // A visitor cannot have it sent, and so not have it kept, by a header of the proxy's.
    let site = site("TRUSTED_PROXIES = ['10.0.0.1']", [path("/", home)]).await;
    for (peer, expected) in [
        ("192.0.2.1:9", None),
        ("10.0.0.1:9", Some("max-age=31536000")),
    ] {
        let site = TestClient::of(site.site().clone()).from_address(peer.parse().unwrap());
        let page = site.get("/").header("x-forwarded-proto", "https").await;
        assert_eq!(page.header(header), expected, "{peer}");
    }
}

#[tokio::test]
async fn a_nonce_is_another_one_each_time_and_is_in_the_policy_of_its_page_only() {
    let site = site("", [path("/", home), path("/nonce", with_nonce)]).await;
    let mut nonces = BTreeSet::new();
    for _ in 0..100 {
        let page = site.get("/nonce").await;
        let nonce = page.text().split('"').nth(1).unwrap().to_owned();
        assert_eq!(nonce.len(), 22, "128 bits in base64");
        let policy = page.header(POLICY).unwrap();
        assert!(
            policy.contains(&format!("script-src 'self' 'nonce-{nonce}'; ")),
            "{policy}"
        );
        assert!(
            policy.contains(&format!("style-src 'self' 'nonce-{nonce}'; ")),
            "{policy}"
        );
        assert!(!policy.contains(['{', '}']), "{policy}");
        nonces.insert(nonce);
    }
    assert_eq!(nonces.len(), 100);
    let policy = site.get("/").await;
    let policy = policy.header(POLICY).unwrap();
    assert!(
        !policy.contains("nonce") && !policy.contains(['{', '}']),
        "{policy}"
    );
    assert_eq!(site.get("/").await.header("cache-control"), None);
}

#[tokio::test]
async fn a_page_with_a_nonce_is_kept_for_nobody_else() {
    let view = async |request: Request, said: String| {
        request.csp_nonce();
        let said = said.replace('+', ", ");
        text("page")
            .with_header("cache-control", if said == "none" { "" } else { &said })
            .map(|page| {
                let mut page = page;
                if said == "none" {
                    page.headers_mut().remove("cache-control");
                }
                page
            })
    };
    let site = site("", [path("/<said>", view)]).await;
    for (said, sent) in [
        ("none", "private, no-cache"),
        ("public+max-age=3600", "private, no-cache"),
        ("max-age=3600", "private, no-cache"),
        ("s-maxage=60", "private, no-cache"),
        ("public+no-cache=\"set-cookie\"", "private, no-cache"),
        ("private=\"x-a\"", "private, no-cache"),
        ("no-store", "no-store"),
        ("private+max-age=60", "private, max-age=60"),
        ("no-cache", "no-cache"),
    ] {
        let page = site.get(&format!("/{said}")).await;
        assert_eq!(page.header("cache-control"), Some(sent), "{said}");
    }
}

#[tokio::test]
async fn a_304_says_nothing_of_the_copy_that_the_client_has() {
    let view = async |request: Request| {
        request.csp_nonce();
        Response::new(StatusCode::NOT_MODIFIED)
    };
    let site = site("", [path("/", view)]).await;
    let page = site.get("/").await;
    assert_eq!(page.header("x-content-type-options"), None);
    assert_eq!(page.header(POLICY), None);
}

#[tokio::test]
async fn a_view_gives_its_own_or_none() {
    let own = async |_request: Request| {
        text("")
            .with_header(POLICY, "default-src 'self'; frame-ancestors 'self'")?
            .with_header("referrer-policy", "no-referrer")
    };
    let framed = async |_request: Request| {
        text("").with_header(
            POLICY,
            "default-src 'self'; frame-ancestors https://shop.example.org",
        )
    };
    let none = async |_request: Request| {
        text("")
            .with_header(POLICY, "")?
            .with_header("x-frame-options", "")?
            .with_header("cross-origin-opener-policy", "")?
            .with_header("x-content-type-options", "")
    };
    let site = site(
        "",
        [
            path("/own", own),
            path("/framed", framed),
            path("/none", none),
        ],
    )
    .await;
    assert_eq!(
        headers(&site.get("/own").await),
        "content-security-policy: default-src 'self'; frame-ancestors 'self'\n\
         x-frame-options: SAMEORIGIN\n\
         x-content-type-options: nosniff\n\
         referrer-policy: no-referrer\n\
         cross-origin-opener-policy: same-origin\n"
    );
    assert_eq!(site.get("/framed").await.header("x-frame-options"), None);
    assert_eq!(
        headers(&site.get("/none").await),
        "referrer-policy: strict-origin-when-cross-origin\n"
    );
}

#[tokio::test]
async fn the_site_sets_its_own_policy_or_none() {
    let toml = "CONTENT_SECURITY_POLICY = \"default-src 'none'; script-src {nonce}; frame-ancestors https://a.example\"";
    let site = site(toml, [path("/", home), path("/nonce", with_nonce)]).await;
    let page = site.get("/").await;
    assert_eq!(
        page.header(POLICY),
        Some("default-src 'none'; script-src 'none'; frame-ancestors https://a.example")
    );
    assert_eq!(page.header("x-frame-options"), None);
    let page = site.get("/nonce").await;
    assert!(page.header(POLICY).unwrap().contains("script-src 'nonce-"));
    assert_eq!(page.header("x-frame-options"), None);

    let site = super::site("CONTENT_SECURITY_POLICY = ''", [path("/nonce", with_nonce)]).await;
    let page = site.get("/nonce").await;
    assert_eq!(page.header(POLICY), None);
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
}

#[tokio::test]
async fn the_default_policy_can_be_written_as_the_guide_has_it() {
    let guide = include_str!("../../../docs/headers.md");
    let (_, rest) = guide.split_once("This is the default").unwrap();
    let (_, rest) = rest.split_once("```toml\n").unwrap();
    let (toml, _) = rest.split_once("```").unwrap();
    let urls = || [path("/", home), path("/nonce", with_nonce)];
    let (default, written) = (site("", urls()).await, site(toml, urls()).await);
    assert_eq!(
        headers(&default.get("/").await),
        headers(&written.get("/").await)
    );
    let policies = [default.get("/nonce").await, written.get("/nonce").await].map(|page| {
        let nonce = page.text().split('"').nth(1).unwrap();
        page.header(POLICY).unwrap().replace(nonce, "")
    });
    assert_eq!(policies[0], policies[1]);
}

#[tokio::test]
async fn a_setting_that_would_bring_a_header_along_stops_the_start_and_names_its_line() {
    for (toml, line) in [
        (
            "\nCONTENT_SECURITY_POLICY = \"default-src 'self'\\r\\nset-cookie: a=b\"",
            "line 2: CONTENT_SECURITY_POLICY: ",
        ),
        ("SECURITY_HEADERS = 'yes'", "line 1: SECURITY_HEADERS: "),
        ("SECURE_HSTS_SECONDS = -1", "line 1: SECURE_HSTS_SECONDS: "),
        // What is off is read all the same: it may be turned on by a variable.
        (
            "SECURITY_HEADERS = false\nCONTENT_SECURITY_POLICY = \"a\\nb\"",
            "line 2: CONTENT_SECURITY_POLICY: ",
        ),
    ] {
        let settings = Settings::from_toml(toml).unwrap();
        let error = App::new(settings).start().await.err().unwrap().to_string();
        assert!(error.contains(line), "{error}");
    }
}

#[cfg(feature = "tower")]
#[tokio::test]
async fn what_a_tower_layer_answers_has_them_too_and_what_it_sets_stays() {
    use tower_http::set_header::SetResponseHeaderLayer;
    let own = http::HeaderValue::from_static("no-referrer");
    let app = App::new(Settings::default())
        .layer(tower_http::limit::RequestBodyLimitLayer::new(3))
        .layer(SetResponseHeaderLayer::overriding(
            http::header::REFERRER_POLICY,
            own,
        ))
        .urls([
            path("/", home).methods([GET, POST]),
            path("/nonce", with_nonce),
        ]);
    let site = TestClient::start(app).await.https();
    let page = site.post("/").header("content-length", "8").await;
    assert_eq!(page.status(), 413);
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    let page = site.get("/nonce").await;
    assert!(page.header(POLICY).unwrap().contains("'nonce-"));
    assert_eq!(page.headers().get_all(POLICY).iter().count(), 1);
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(
        page.header("strict-transport-security"),
        Some("max-age=31536000")
    );
}
