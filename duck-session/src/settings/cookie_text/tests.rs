use duck::{Result, Settings};

use crate::settings::SessionSettings;

fn read(toml: &str) -> Result<SessionSettings> {
    SessionSettings::from_settings(&Settings::from_toml(toml)?)
}

/// A text that a setting in the second line of a file may not be, and what the error says of it.
fn refused(key: &str, wrong: &str, says: &str) {
    // TOML writes a text as JSON does.
    let line = format!("{key} = {}", serde_json::to_string(wrong).unwrap());
    let error = read(&format!("# the settings\n{line}")).expect_err(&line);
    let error = error.to_string();
    let is_named = error.contains(&format!("line 2: {key}: "));
    assert!(is_named && error.contains(says), "{line}: {error}");
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
        refused("SESSION_COOKIE_DOMAIN", wrong, "write \"example.org\"");
    }
}

#[test]
fn a_domain_that_can_be_none_is_refused_with_what_to_do() {
    const ADDRESS: &str = "not an address: leave it out";
    const NO_DOT: &str = "without a dot for that host alone: leave it out";
    let long = format!("{}.example.org", "a".repeat(64));
    let longer = format!("{}org", "a.".repeat(126));
    for (wrong, says) in [
        ("127.0.0.1", ADDRESS),
        ("127.0.0.1:8000", ADDRESS),
        ("http://127.0.0.1:8000/", ADDRESS),
        ("127.1", ADDRESS),
        ("10.0.0.0x1", ADDRESS),
        ("[::1]", ADDRESS),
        ("[2001:db8::5]:8000", ADDRESS),
        ("::1", ADDRESS),
        ("localhost", NO_DOT),
        (".localhost", NO_DOT),
        ("http://localhost:8000", NO_DOT),
        ("org", NO_DOT),
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
        refused("SESSION_COOKIE_DOMAIN", wrong, says);
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
        refused("SESSION_COOKIE_PATH", wrong, "takes a path");
        refused("SESSION_COOKIE_PATH", wrong, right);
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
        refused("SESSION_COOKIE_NAME", wrong, right);
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
        refused("SESSION_CACHE_CONTROL", wrong, "\"no-store\"");
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
