//! What a body is, by the headers that came with it.

use std::borrow::Cow;

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::http::request_error::RequestError;

/// The `Content-Type`: empty where there is none. It is one field (RFC 9110, 8.3): where two differ,
/// whoever looks at the request on its way may take the other.
pub(super) fn content_type(headers: &HeaderMap) -> Result<Cow<'_, str>, RequestError> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let first = values.next();
    if values.any(|other| Some(other) != first) {
        let message = "the request has several Content-Type headers";
        return Err(RequestError::bad_request(message));
    }
    let Some(first) = first else {
        return Ok(Cow::Borrowed(""));
    };
    Ok(match first.to_str() {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(first.as_bytes()),
    })
}

/// Refuses a body that was compressed: it would be read as what it is not. The answer says what is
/// taken (RFC 9110, 12.5.3).
pub(super) fn expect_identity(headers: &HeaderMap) -> Result<(), RequestError> {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let mut codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let is_nothing = |coding: &[u8]| {
        let coding = coding.trim_ascii();
        coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
    };
    if codings.all(is_nothing) {
        return Ok(());
    }
    let error = RequestError::unsupported("the body has a Content-Encoding; send it without");
    Err(error.with_header(ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}
