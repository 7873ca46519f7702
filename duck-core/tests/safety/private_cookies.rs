//! Cookies that visitors cannot change or read.

use duck::http::PrivateCookies;

use super::*;

const KEY: &str = "SECRET_KEY = 'an old key of this site, 32 bytes or more'";

async fn cookies(settings: &str) -> TestClient {
    let sign = async |request: Request, name: String, value: String| -> Result<Response> {
        text("").with_signed_cookie(&request, Cookie::build((name, value)).path("/"))
    };
    let seal = async |request: Request, name: String, value: String| -> Result<Response> {
        text("").with_private_cookie(&request, Cookie::build((name, value)).path("/"))
    };
    let signed = async |request: Request, name: String| -> Result<String> {
        Ok(request.signed_cookie(&name)?.unwrap_or("absent".into()))
    };
    let private = async |request: Request, name: String| -> Result<String> {
        Ok(request.private_cookie(&name)?.unwrap_or("absent".into()))
    };
    let app = App::new(Settings::from_toml(settings).unwrap())
        .with(PrivateCookies::new())
        .urls([
            path("/sign/<name>/<value>", sign),
            path("/seal/<name>/<value>", seal),
            path("/signed/<name>", signed),
            path("/private/<name>", private),
            path("/plain", async |_request: Request| "plain"),
        ]);
    TestClient::start(app).await
}

/// The value of the cookie that the site sets.
async fn made(site: &TestClient, path: &str) -> String {
    let page = site.another().get(path).await;
    assert_eq!(page.status(), 200, "{path}");
    let cookie = page.set_cookies()[0].to_owned();
    let (pair, _) = cookie.split_once(';').unwrap();
    pair.split_once('=').unwrap().1.to_owned()
}

async fn read(site: &TestClient, path: &str, cookie: &str) -> String {
    let visitor = site.another();
    let page = visitor.get(path).header("cookie", cookie).await;
    assert_eq!(page.status(), 200, "{path}");
    page.text().to_owned()
}

#[tokio::test]
async fn what_was_set_is_read_whatever_it_holds() {
    let site = cookies(KEY).await;
    for value in [
        "7",
        "dark blue",
        "a.b.c",
        "a=b;c,d",
        "\u{e4}\u{1f986}",
        "%20",
        ".",
    ] {
        let sent = duck_url(value);
        for (make, ask) in [("sign", "signed"), ("seal", "private")] {
            let cookie = made(&site, &format!("/{make}/a/{sent}")).await;
            assert!(
                cookie.is_ascii() && !cookie.contains([';', ',', ' ', '"']),
                "{cookie}"
            );
            assert_eq!(
                read(&site, &format!("/{ask}/a"), &format!("a={cookie}")).await,
                value
            );
        }
    }
}

/// A text as a part of a path.
fn duck_url(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn a_signed_cookie_can_be_read_and_a_private_one_cannot() {
    let site = cookies(KEY).await;
    let signed = made(&site, "/sign/a/quack").await;
    assert!(signed.starts_with("quack."), "{signed}");
    assert_eq!(signed, made(&site, "/sign/a/quack").await);
    let private = made(&site, "/seal/a/quack").await;
    assert!(!private.contains("quack"), "{private}");
    assert_ne!(
        private,
        made(&site, "/seal/a/quack").await,
        "equal values cannot be told"
    );
}

#[tokio::test]
async fn what_was_tampered_with_is_absent() {
    let site = cookies(KEY).await;
    for (make, ask) in [("sign", "/signed/a"), ("seal", "/private/a")] {
        let cookie = made(&site, &format!("/{make}/a/quack")).await;
        assert_eq!(read(&site, ask, &format!("a={cookie}")).await, "quack");
        for place in 0..cookie.len() {
            let mut changed = cookie.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(
                read(&site, ask, &format!("a={changed}")).await,
                "absent",
                "{changed}"
            );
            let cut = &cookie[..place];
            assert_eq!(
                read(&site, ask, &format!("a={cut}")).await,
                "absent",
                "{cut}"
            );
        }
        for odd in [
            "",
            ".",
            "quack",
            "quack.",
            ".AAAA",
            "\u{e4}",
            "%ff",
            &"A".repeat(60_000),
        ] {
            assert_eq!(
                read(&site, ask, &format!("a={odd}")).await,
                "absent",
                "{odd}"
            );
        }
        // One kind is not taken for the other, and more at the end is another text.
        let other = if make == "sign" {
            "/private/a"
        } else {
            "/signed/a"
        };
        assert_eq!(read(&site, other, &format!("a={cookie}")).await, "absent");
        assert_eq!(read(&site, ask, &format!("a={cookie}A")).await, "absent");
    }
}

#[tokio::test]
async fn a_cookie_is_nothing_under_another_name() {
    let site = cookies(KEY).await;
    for (make, ask) in [("sign", "signed"), ("seal", "private")] {
        let cookie = made(&site, &format!("/{make}/a/quack")).await;
        assert_eq!(
            read(&site, &format!("/{ask}/b"), &format!("b={cookie}")).await,
            "absent"
        );
        assert_eq!(
            read(&site, &format!("/{ask}/A"), &format!("A={cookie}")).await,
            "absent"
        );
    }
    // Where a name ends and a value begins is signed as well.
    let signed = made(&site, "/sign/a/bc").await;
    let (_, mac) = signed.split_once('.').unwrap();
    assert_eq!(
        read(&site, "/signed/ab", &format!("ab=c.{mac}")).await,
        "absent"
    );
}

#[tokio::test]
async fn an_older_key_reads_and_does_not_write_and_an_unknown_one_does_neither() {
    let old = cookies(KEY).await;
    let rotated = cookies(
        "SECRET_KEY = 'a new key of this site, 32 bytes or more'\n\
         SECRET_KEY_FALLBACKS = ['an old key of this site, 32 bytes or more']",
    )
    .await;
    let new = cookies("SECRET_KEY = 'a new key of this site, 32 bytes or more'").await;
    for (make, ask) in [("sign", "/signed/a"), ("seal", "/private/a")] {
        let before = made(&old, &format!("/{make}/a/quack")).await;
        let after = made(&rotated, &format!("/{make}/a/quack")).await;
        let cookie = |value: &str| format!("a={value}");
        assert_eq!(read(&rotated, ask, &cookie(&before)).await, "quack");
        assert_eq!(read(&rotated, ask, &cookie(&after)).await, "quack");
        assert_eq!(read(&new, ask, &cookie(&before)).await, "absent");
        assert_eq!(read(&new, ask, &cookie(&after)).await, "quack");
        assert_eq!(read(&old, ask, &cookie(&after)).await, "absent");
    }
}

#[tokio::test]
async fn a_planted_cookie_before_the_sites_own_does_not_hide_it_and_ten_thousand_do_no_harm() {
    let site = cookies(KEY).await;
    for (make, ask) in [("sign", "/signed/a"), ("seal", "/private/a")] {
        let cookie = made(&site, &format!("/{make}/a/quack")).await;
        assert_eq!(
            read(&site, ask, &format!("a=evil; a={cookie}")).await,
            "quack"
        );
        let flood = "a=e;".repeat(10_000);
        assert_eq!(
            read(&site, ask, &format!("{flood} a={cookie}")).await,
            "absent"
        );
        let others: String = (0..10_000).map(|number| format!("b{number}=1;")).collect();
        assert_eq!(
            read(&site, ask, &format!("{others} a={cookie}")).await,
            "quack"
        );
    }
}

#[tokio::test]
async fn a_cookie_that_no_browser_keeps_is_an_error_and_so_is_one_that_brings_attributes() {
    let site = cookies(KEY).await;
    for (path, status) in [
        (format!("/sign/a/{}", "x".repeat(4000)), 200),
        (format!("/sign/a/{}", "x".repeat(4060)), 500),
        (format!("/sign/a/{}", duck_url(&" ".repeat(1500))), 500),
        (format!("/seal/a/{}", "x".repeat(3000)), 200),
        (format!("/seal/a/{}", "x".repeat(3100)), 500),
        ("/sign/a%20b/x".to_owned(), 500),
        ("/seal/a%3B/x".to_owned(), 500),
    ] {
        let page = site.get(&path).await;
        assert_eq!(page.status(), status, "{}", &path[..12]);
        assert_eq!(page.set_cookies().is_empty(), status == 500);
    }
}

#[tokio::test]
async fn a_page_that_asks_for_one_depends_on_the_cookie() {
    let site = cookies(KEY).await;
    assert_eq!(site.get("/signed/a").await.header("vary"), Some("Cookie"));
    assert_eq!(site.get("/private/a").await.header("vary"), Some("Cookie"));
    assert_eq!(site.get("/plain").await.header("vary"), None);
}

#[tokio::test]
async fn without_a_key_the_site_does_not_start_and_without_the_component_the_log_says_what_is_missing()
 {
    let app = App::new(Settings::default()).with(PrivateCookies::new());
    let error = app.start().await.err().unwrap().to_string();
    assert!(error.contains("SECRET_KEY"), "{error}");
    let view = async |request: Request| -> Result<String> {
        Ok(request.signed_cookie("a")?.unwrap_or_default())
    };
    let site = site("", [path("/", view)]).await;
    assert_eq!(site.get("/").await.status(), 500);
}
