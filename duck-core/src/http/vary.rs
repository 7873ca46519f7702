//! What a response depends on: RFC 9110, 12.5.5.

use http::header::{self, HeaderMap, HeaderValue};

/// Adds a name to `Vary`, unless it stands there.
pub(crate) fn vary_by(headers: &mut HeaderMap, name: &'static str) {
    let is_named = |value: &HeaderValue| has_word(value, name) || has_word(value, "*");
    if !headers.get_all(header::VARY).iter().any(is_named) {
        headers.append(header::VARY, HeaderValue::from_static(name));
    }
}

/// Whether a list of words has this one.
pub(crate) fn has_word(list: &HeaderValue, word: &str) -> bool {
    let mut words = list.as_bytes().split(|byte| *byte == b',');
    words.any(|found| found.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_added_once() {
        for (before, added) in [
            (&[][..], true),
            (&["Cookie"], true),
            (&["Cookie, ORIGIN"], false),
            (&["Cookie", "origin"], false),
            (&["*"], false),
            (&["X-Origin"], true),
        ] {
            let mut headers = HeaderMap::new();
            for value in before {
                headers.append(header::VARY, HeaderValue::from_static(value));
            }
            vary_by(&mut headers, "Origin");
            let count = headers.get_all(header::VARY).iter().count();
            assert_eq!(count, before.len() + usize::from(added), "{before:?}");
        }
    }
}
