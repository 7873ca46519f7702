use duck::{Result, Settings};

use crate::settings::SessionSettings;

fn read(toml: &str) -> Result<SessionSettings> {
    SessionSettings::from_settings(&Settings::from_toml(toml)?)
}

/// A text as TOML writes it, which is as JSON does.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// The error of a file whose second line is the last of these.
fn refused(lines: &str) -> String {
    let error = read(&format!("# the settings\n{lines}")).expect_err(lines);
    error.to_string()
}

#[test]
fn a_domain_that_browsers_ignore_is_refused_with_the_right_one() {
    for wrong in [
        "https://example.org",
        "http://example.org/",
        "https://example.org:8000/app?x#y",
        "example.org:8000",
        "*.example.org",
        "https://*.example.org",
        "example..org",
        "..example.org",
        "example.org.",
        ".example.org.",
        "*.*.example.org",
        " example.org",
        "example.org ",
        "\texample.org",
        "example.org/app",
        "//example.org",
        "user@example.org",
        "user:secret@example.org",
        "HTTPS://Example.ORG",
    ] {
        let error = refused(&format!("SESSION_COOKIE_DOMAIN = {}", quoted(wrong)));
        assert!(
            error.contains("line 2: SESSION_COOKIE_DOMAIN: ")
                && error.contains("write \"example.org\""),
            "{wrong}: {error}"
        );
    }
}

#[test]
fn a_domain_that_can_be_none_is_refused_with_what_to_do() {
    let long = format!("{}.example.org", "a".repeat(64));
    let longer = format!("{}org", "a.".repeat(126));
    for (wrong, says) in [
        ("127.0.0.1", "not an address: leave it out"),
        ("127.0.0.1:8000", "not an address: leave it out"),
        ("http://127.0.0.1:8000/", "not an address: leave it out"),
        ("127.1", "not an address: leave it out"),
        ("10.0.0.0x1", "not an address: leave it out"),
        ("[::1]", "not an address: leave it out"),
        ("[2001:db8::5]:8000", "not an address: leave it out"),
        ("::1", "not an address: leave it out"),
        (
            "localhost",
            "without a dot for that host alone: leave it out",
        ),
        (
            ".localhost",
            "without a dot for that host alone: leave it out",
        ),
        (
            "http://localhost:8000",
            "without a dot for that host alone: leave it out",
        ),
        ("org", "without a dot for that host alone: leave it out"),
        ("bücher.example", "punycode"),
        ("例え.テスト", "punycode"),
        ("", "such as \"example.org\""),
        (".", "such as \"example.org\""),
        ("*", "such as \"example.org\""),
        ("a.org, b.org", "takes one domain"),
        ("a.org b.org", "takes one domain"),
        ("a.org; Secure", "takes one domain"),
        ("a.org\r\nx: y", "takes one domain"),
        ("*a.org", "takes one domain"),
        ("example.org:http", "takes one domain"),
        ("-a.org", "takes one domain"),
        ("a-.org", "takes one domain"),
        ("a_b!.org", "takes one domain"),
        (&*long, "takes one domain"),
        (&*longer, "takes one domain"),
    ] {
        let error = refused(&format!("SESSION_COOKIE_DOMAIN = {}", quoted(wrong)));
        assert!(
            error.contains("line 2: SESSION_COOKIE_DOMAIN: ") && error.contains(says),
            "{wrong}: {error}"
        );
    }
}

#[test]
fn a_domain_is_sent_as_browsers_compare_it() {
    for (written, sent) in [
        ("example.org", "example.org"),
        (".example.org", "example.org"),
        ("Shop.EXAMPLE.org", "shop.example.org"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("my_site.example.org", "my_site.example.org"),
        ("4u.example.org", "4u.example.org"),
        ("co.uk.example", "co.uk.example"),
    ] {
        let own = read(&format!("SESSION_COOKIE_DOMAIN = '{written}'")).unwrap();
        assert_eq!(own.session_cookie_domain.as_deref(), Some(sent));
    }
}

#[test]
fn a_path_that_no_url_has_is_refused_with_the_right_one() {
    let long = format!("/{}", "a".repeat(1024));
    for (wrong, right) in [
        ("app", "write \"/app\""),
        ("app/", "write \"/app\""),
        ("/app?x=1", "write \"/app\""),
        ("/app#top", "write \"/app\""),
        ("/app;v=1", "write \"/app\""),
        ("/; Domain=evil", "write \"/\""),
        ("/my app", "write \"/my%20app\""),
        (" /app", "write \"/app\""),
        ("/café", "write \"/caf%C3%A9\""),
        ("https://example.org/app", "write \"/app\""),
        ("https://example.org", "write \"/\""),
        ("/a/../app", "write \"/a/app\""),
        ("./app", "write \"/app\""),
        // No request of a browser is beneath these.
        ("/*", "write \"/\""),
        ("*", "write \"/\""),
        ("/app/*", "write \"/app\""),
        ("/app/**", "write \"/app\""),
        ("//app", "write \"/app\""),
        ("/a//b", "write \"/a/b\""),
        ("\\app", "write \"/app\""),
        ("/\"app\"", "write \"/%22app%22\""),
        ("", "write \"/\""),
        ("/%zz", "such as"),
        ("/%4", "such as"),
        ("/\r\nx: y", "such as"),
        ("/\0", "such as"),
        (&*long, "such as"),
    ] {
        let error = refused(&format!("SESSION_COOKIE_PATH = {}", quoted(wrong)));
        assert!(
            error.contains("line 2: SESSION_COOKIE_PATH: takes a path") && error.contains(right),
            "{wrong}: {error}"
        );
    }
    for right in [
        "/",
        "/app",
        "/app/",
        "/a/b.c_d~e-f",
        "/caf%C3%A9",
        "/a:b@c,d=e+f!",
        "/...",
    ] {
        let own = read(&format!("SESSION_COOKIE_PATH = '{right}'")).unwrap();
        assert_eq!(own.session_cookie_path, right);
    }
}

#[test]
fn a_name_that_browsers_refuse_is_refused_with_the_right_one() {
    let long = "a".repeat(129);
    for (wrong, right) in [
        (
            "__Host-id",
            "write \"id\", and SESSION_COOKIE_PREFIX = \"host\"",
        ),
        (
            "__host-id",
            "write \"id\", and SESSION_COOKIE_PREFIX = \"host\"",
        ),
        (
            "__SECURE-id",
            "write \"id\", and SESSION_COOKIE_PREFIX = \"secure\"",
        ),
        ("__Http-id", "SESSION_COOKIE_PREFIX"),
        ("__Host-Http-id", "SESSION_COOKIE_PREFIX"),
        ("__Host-", "SESSION_COOKIE_PREFIX"),
        ("__", "SESSION_COOKIE_PREFIX"),
        ("a b", "such as \"session_id\""),
        ("a=b", "such as \"session_id\""),
        ("a;b", "such as \"session_id\""),
        ("a,b", "such as \"session_id\""),
        ("[id]", "such as \"session_id\""),
        ("\"id\"", "such as \"session_id\""),
        (" id", "such as \"session_id\""),
        ("é", "such as \"session_id\""),
        ("a\tb", "such as \"session_id\""),
        ("a\0", "such as \"session_id\""),
        ("", "such as \"session_id\""),
        (&*long, "such as \"session_id\""),
    ] {
        let error = refused(&format!("SESSION_COOKIE_NAME = {}", quoted(wrong)));
        assert!(
            error.contains("line 2: SESSION_COOKIE_NAME: ") && error.contains(right),
            "{wrong}: {error}"
        );
    }
}

/// A shared cache that keeps the page keeps the cookie on it, for whoever comes next.
#[test]
fn a_cache_control_that_shares_the_cookie_is_refused() {
    for wrong in [
        "public",
        "no-store, public",
        "private, s-maxage=60",
        "max-age=60",
        "no-cache",
        "",
        " ",
        "no-store,",
        "no store",
        "a\nb",
        "no-store\r\nx: y",
        "private, é",
        "PUBLIC",
    ] {
        let error = refused(&format!("SESSION_CACHE_CONTROL = {}", quoted(wrong)));
        assert!(
            error.contains("line 2: SESSION_CACHE_CONTROL: ") && error.contains("\"no-store\""),
            "{wrong:?}: {error}"
        );
    }
    for right in [
        "no-store",
        "private",
        "private, no-cache",
        "No-Store, max-age=0",
        "private=\"set-cookie\", max-age=60",
    ] {
        assert!(
            read(&format!("SESSION_CACHE_CONTROL = '{right}'")).is_ok(),
            "{right}"
        );
    }
}
