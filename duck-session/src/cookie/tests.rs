use duck::http::HeaderMap;
use duck::session::CookieValue;
use duck::{Result, Settings};
use http::header;
use proptest::prelude::*;

use super::*;

fn visitor(cookies: Option<&str>, secure: bool) -> Visitor {
    let value = cookies.map(|cookies| HeaderValue::from_str(cookies).unwrap());
    let headers = value.map(|value| (header::COOKIE, value));
    Visitor::new(HeaderMap::from_iter(headers), secure)
}

fn cookie(toml: &str) -> Result<SessionCookie> {
    let own = SessionSettings::from_settings(&Settings::from_toml(toml)?)?;
    Ok(SessionCookie::new(&own))
}

fn set(toml: &str, secure: bool) -> String {
    let new = NewCookie::new(CookieValue::Text(HeaderValue::from_static("ID")), None);
    let header = cookie(toml)
        .unwrap()
        .set(&new, &visitor(None, secure), SystemTime::now())
        .unwrap();
    header.to_str().unwrap().to_owned()
}

#[test]
fn attributes_stand_in_one_order() {
    assert_eq!(
        set("", false),
        "session_id=ID; Path=/; HttpOnly; SameSite=Lax"
    );
    assert_eq!(
        set("", true),
        "__Host-session_id=ID; Path=/; Secure; HttpOnly; SameSite=Lax"
    );
    assert_eq!(
        set(
            "SESSION_COOKIE_DOMAIN = 'example.org'\nSESSION_COOKIE_PATH = '/app'",
            true
        ),
        "__Secure-session_id=ID; Path=/app; Domain=example.org; Secure; HttpOnly; SameSite=Lax"
    );
    assert_eq!(
        set(
            "SESSION_COOKIE_SAMESITE = 'None'\nSESSION_COOKIE_SECURE = true\nSESSION_COOKIE_PARTITIONED = true\n\
             SESSION_COOKIE_HTTPONLY = false\nSESSION_COOKIE_PREFIX = 'none'\nSESSION_COOKIE_NAME = 'sid'",
            true
        ),
        "sid=ID; Path=/; Secure; SameSite=None; Partitioned"
    );
}

/// Behind a proxy that is not named, HTTPS looks like plain HTTP: the name is still the one that HTTPS gives.
#[test]
fn a_cookie_that_is_always_secure_has_its_prefix_over_plain_http_too() {
    let own = "; Secure; HttpOnly; SameSite=Lax";
    for (toml, begins) in [
        (
            "SESSION_COOKIE_SECURE = true",
            "__Host-session_id=ID; Path=/; Secure",
        ),
        (
            "SESSION_COOKIE_SECURE = true\nSESSION_COOKIE_PATH = '/a'",
            "__Secure-session_id=ID; Path=/a; Secure",
        ),
        (
            "SESSION_COOKIE_SECURE = true\nSESSION_COOKIE_DOMAIN = 'a.org'",
            "__Secure-session_id=ID; Path=/; Domain=a.org; Secure",
        ),
        (
            "SESSION_COOKIE_SECURE = true\nSESSION_COOKIE_PREFIX = 'secure'",
            "__Secure-session_id=ID; Path=/; Secure",
        ),
        (
            "SESSION_COOKIE_SECURE = true\nSESSION_COOKIE_PREFIX = 'host'",
            "__Host-session_id=ID; Path=/; Secure",
        ),
        (
            "SESSION_COOKIE_SECURE = true\nSESSION_COOKIE_PREFIX = 'none'",
            "session_id=ID; Path=/; Secure",
        ),
        (
            "SESSION_COOKIE_PREFIX = 'host'",
            "__Host-session_id=ID; Path=/; Secure",
        ),
        (
            "SESSION_COOKIE_PREFIX = 'secure'",
            "__Secure-session_id=ID; Path=/; Secure",
        ),
        (
            "SESSION_COOKIE_PREFIX = 'secure'\nSESSION_COOKIE_PATH = '/a'",
            "__Secure-session_id=ID; Path=/a; Secure",
        ),
    ] {
        let over_http = set(toml, false);
        assert!(
            over_http.starts_with(begins) && over_http.ends_with(own),
            "{toml}: {over_http}"
        );
        assert_eq!(over_http, set(toml, true), "{toml}");
        let cookie = cookie(toml).unwrap();
        let (name, _) = begins.split_once('=').unwrap();
        let id = SessionId::new([7; 16], [7; 16]);
        for https in [false, true] {
            let removal = cookie.remove(&visitor(None, https)).next().unwrap();
            let removal = removal.to_str().unwrap().to_owned();
            assert!(
                removal.starts_with(&format!("{name}=;")) && removal.ends_with(own),
                "{removal}"
            );
            let header = format!("{name}={0}; x{name}={0}", id.reveal());
            let found = cookie.candidates(&visitor(Some(&header), https));
            assert_eq!(found.ids(), [id], "{toml}");
            if name != "session_id" {
                let bare = format!("session_id={}", id.reveal());
                let found = cookie.candidates(&visitor(Some(&bare), https));
                assert_eq!(found.ids().len(), 0, "{toml}: the bare name is not read");
            }
        }
    }
}

#[test]
fn a_chosen_prefix_is_enough_for_what_needs_secure() {
    let header = set(
        "SESSION_COOKIE_SAMESITE = 'None'\nSESSION_COOKIE_PREFIX = 'secure'",
        false,
    );
    assert_eq!(
        header,
        "__Secure-session_id=ID; Path=/; Secure; HttpOnly; SameSite=None"
    );
}

#[test]
fn a_lifetime_is_said_twice_and_agrees() {
    let new = NewCookie::new(
        CookieValue::Text(HeaderValue::from_static("ID")),
        Some(Duration::from_mins(1)),
    );
    let header = cookie("")
        .unwrap()
        .set(&new, &visitor(None, false), SystemTime::now())
        .unwrap();
    let text = header.to_str().unwrap();
    assert!(text.contains("; Max-Age=60; Expires="), "{text}");
    assert!(text.ends_with("GMT; HttpOnly; SameSite=Lax"), "{text}");
}

#[test]
fn removal_has_the_attributes_it_was_set_with() {
    let cookie = cookie("SESSION_COOKIE_PATH = '/app'").unwrap();
    assert_eq!(
        cookie.remove(&visitor(None, true)).next().unwrap(),
        "__Secure-session_id=; Path=/app; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax"
    );
}

#[test]
fn only_whole_ids_are_candidates_and_four_at_most() {
    let id = |byte: u8| SessionId::new([byte; 16], [byte; 16]);
    let header = |text: String| visitor(Some(&text), false);
    let pair = |byte: u8| format!("session_id={}", id(byte).reveal());
    let cookie = cookie("").unwrap();
    let found = |text: String| cookie.candidates(&header(text)).ids().to_vec();
    assert_eq!(found(format!("a=b; {}; xsession_id=1", pair(1))), [id(1)]);
    assert_eq!(
        found(format!("{};{}; {}", pair(1), pair(1), pair(2))),
        [id(1), id(2)]
    );
    assert_eq!(
        found((1..9).map(pair).collect::<Vec<_>>().join("; ")).len(),
        4
    );
    for bad in [
        "session_id=",
        "session_id",
        "session_id=../../etc",
        "session_id=\"quoted\"",
        ";;;=;",
        "session_id===",
    ] {
        assert!(found(bad.to_owned()).is_empty(), "{bad}");
    }
}

/// Pieces of headers: what matters to the parser, and anything else.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let own = [
        "session_id",
        "session_id=",
        "=",
        ";",
        "; ",
        " ",
        "\t",
        "x",
        "\"",
    ];
    let id = any::<[u8; 2]>().prop_map(|[byte, _]| {
        let id = SessionId::new([byte % 6; 16], [byte % 2; 16]);
        format!("; session_id={}; ", id.reveal()).into_bytes()
    });
    prop_oneof![
        3 => prop::sample::select(own.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        2 => id,
        1 => prop::collection::vec(0x20_u8..0x7f, 0..50),
        1 => prop::collection::vec(0x80_u8.., 0..10),
    ]
}

proptest! {
    /// Whatever a client sends: the parser finds the ids that a slow and plain one finds.
    #[test]
    fn any_cookie_header_is_read_as_a_plain_parser_reads_it(
        pieces in prop::collection::vec(piece(), 0..40),
    ) {
        let header = pieces.concat();
        let value = HeaderValue::from_bytes(&header).unwrap();
        let visitor = Visitor::new(HeaderMap::from_iter([(header::COOKIE, value)]), false);
        let cookie = cookie("").unwrap();
        let found = cookie.candidates(&visitor).ids().to_vec();
        let mut expected = Vec::new();
        for pair in header.split(|byte| *byte == b';') {
            let pair = pair.trim_ascii();
            let Some(id) = pair.strip_prefix(b"session_id=").and_then(SessionId::parse) else {
                continue;
            };
            if !expected.contains(&id) {
                expected.push(id);
            }
        }
        expected.truncate(4);
        assert!(found == expected);
    }
}
