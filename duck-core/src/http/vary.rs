//! What a response depends on: RFC 9110, 12.5.5.

use http::header::{self, HeaderMap, HeaderValue};

use crate::http::parameters::has_word;

/// Adds a name to `Vary`, unless it stands there.
pub(crate) fn vary_by(headers: &mut HeaderMap, name: &'static str) {
    let is_named = |value: &HeaderValue| has_word(value, name) || has_word(value, "*");
    if !headers.get_all(header::VARY).iter().any(is_named) {
        headers.append(header::VARY, HeaderValue::from_static(name));
    }
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
