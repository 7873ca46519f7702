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
