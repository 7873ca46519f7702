use duck::http::HeaderMap;
use http::header;
use proptest::prelude::*;

use super::*;

fn candidates(text: &[u8]) -> Vec<SessionId> {
    let value = HeaderValue::from_bytes(text).unwrap();
    let visitor = Visitor::new(HeaderMap::from_iter([(header::COOKIE, value)]), false);
    let cookie = SessionCookie::new(&SessionSettings::default());
    cookie.candidates(&visitor).ids().to_vec()
}

#[test]
fn only_whole_ids_are_candidates_and_four_at_most() {
    let id = |byte: u8| SessionId::new([byte; 16], [byte; 16]);
    let pair = |byte: u8| format!("session_id={}", id(byte).reveal());
    let found = |text: String| candidates(text.as_bytes());
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
        let found = candidates(&header);
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
