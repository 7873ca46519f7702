//! What single headers of a request say.

use std::borrow::Cow;

use http::header::{self, HeaderMap};
use percent_encoding::percent_decode;

/// Names and values in the order they came. Names are compared as they are sent: decoded,
/// `%5F_Host-id` would pass for `__Host-id`, a name that browsers keep for the site itself. Bytes that
/// are no text spoil their own cookie only.
pub(super) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    let values = headers.get_all(header::COOKIE).iter();
    let cookies = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    cookies.filter_map(|cookie| {
        let equals = cookie.iter().position(|byte| *byte == b'=')?;
        let (name, value) = cookie.split_at(equals);
        let name = std::str::from_utf8(name.trim_ascii()).ok()?;
        let value = percent_decode(value[1..].trim_ascii()).decode_utf8().ok()?;
        Some((name, value))
    })
}

/// Whether an `Accept` header takes `media_type`: the most specific range that matches decides, and a
/// weight of zero refuses.
pub(super) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let ranges: Vec<_> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    if ranges.is_empty() {
        return true;
    }
    let best = ranges
        .iter()
        .flat_map(|value| value.split(','))
        .filter_map(|range| weigh(range, media_type))
        .max();
    best.is_some_and(|(_, taken)| taken)
}

/// How specifically a range of `Accept` names the type, and whether it takes or refuses it.
fn weigh(range: &str, media_type: &str) -> Option<(u8, bool)> {
    let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
    let name = name.trim();
    let specific = match name.strip_suffix("/*") {
        Some("*") => 0,
        Some(kind) if media_type.split('/').next()?.eq_ignore_ascii_case(kind) => 1,
        None if name.eq_ignore_ascii_case(media_type) => 2,
        _ => return None,
    };
    let weight = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then_some(value)
    });
    let refused = weight.is_some_and(|weight| {
        weight
            .trim()
            .parse::<f32>()
            .is_ok_and(|weight| weight <= 0.0)
    });
    Some((specific, !refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, http::HeaderValue::from_static(value))])
    }

    #[test]
    fn the_most_specific_range_decides() {
        assert!(accepts(&HeaderMap::new(), "text/html"));
        assert!(accepts(
            &accept("text/html,application/xml;q=0.9,*/*;q=0.8"),
            "image/png"
        ));
        assert!(accepts(&accept("text/*"), "text/html"));
        assert!(!accepts(&accept("text/*"), "application/json"));
        assert!(!accepts(&accept("*/*, text/html;q=0"), "text/html"));
        assert!(!accepts(&accept("garbage"), "text/html"));
    }
}
