//! Reading a request as a type: query, form, JSON, text.

#[cfg(feature = "multipart")]
use std::borrow::Cow;

use http::header::{self, HeaderMap};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::Request;
use super::content::{content_type, expect_identity};
use crate::parameters::essence;
use crate::request_error::RequestError;

impl Request {
    /// The query as a struct. A key that comes several times fills a `Vec`.
    ///
    /// # Errors
    ///
    /// 400 when it does not fit the type.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        serde_html_form::from_str(self.uri().query().unwrap_or_default()).map_err(|error| {
            RequestError::bad_request("the query is not as expected").because(error)
        })
    }

    /// One value of the query, decoded; of several with that name, the first.
    pub fn query_value(&self, name: &str) -> Option<String> {
        let pairs: Vec<(String, String)> = self.query().ok()?;
        pairs
            .into_iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// A posted form as a struct. A field that comes several times fills a `Vec`.
    ///
    /// # Errors
    ///
    /// 415 when the body is no `application/x-www-form-urlencoded`, 422 when it does not fit the
    /// type, and as [`bytes`](Self::bytes).
    pub async fn form<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        self.expect_type("a form", |media_type| {
            media_type == "application/x-www-form-urlencoded"
        })?;
        let body = self.bytes().await?;
        serde_html_form::from_bytes(&body).map_err(|error| {
            RequestError::unprocessable("the form is not as expected").because(error)
        })
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// 415 when its media type is neither `application/json` nor ends in `+json`, 400 when it is
    /// no JSON, 422 when it does not fit the type, and as [`bytes`](Self::bytes).
    pub async fn json<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        let is_json =
            |media_type: &str| media_type == "application/json" || media_type.ends_with("+json");
        self.expect_type("JSON", is_json)?;
        let body = self.bytes().await?;
        serde_json::from_slice(&body).map_err(|error| {
            let place = (error.line(), error.column());
            match error.classify() {
                serde_json::error::Category::Data => RequestError::unprocessable(format!(
                    "the JSON is not as expected at line {}, column {}",
                    place.0, place.1
                )),
                _ => RequestError::bad_request(format!(
                    "the JSON breaks off or is wrong at line {}, column {}",
                    place.0, place.1
                )),
            }
            .because(error)
        })
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// 400 when it is not UTF-8, and as [`bytes`](Self::bytes).
    pub async fn text(&self) -> Result<String, RequestError> {
        expect_identity(self.headers())?;
        let body = self.bytes().await?;
        String::from_utf8(body.into()).map_err(|error| {
            RequestError::bad_request("the body is not UTF-8").because(error.utf8_error())
        })
    }

    /// Checks that the body is of the right media type, and can be read as it came. Its `charset` is
    /// not looked at: forms and JSON are UTF-8 (RFC 8259, 8.1), and what is not is refused.
    fn expect_type(&self, what: &str, is_right: impl Fn(&str) -> bool) -> Result<(), RequestError> {
        if !is_right(&essence(&content_type(self.headers())?)) {
            return Err(RequestError::unsupported(format!(
                "the body must be {what}; its Content-Type says otherwise"
            )));
        }
        expect_identity(self.headers())
    }

    /// The `Content-Type` of a body that can be read as it came.
    #[cfg(feature = "multipart")]
    pub(crate) fn readable_type(&self) -> Result<Cow<'_, str>, RequestError> {
        expect_identity(self.headers())?;
        content_type(self.headers())
    }
}

/// Names are compared as they are sent: decoded, `%5F_Host-id` would pass for `__Host-id`, a name
/// that browsers keep for the site itself. Bytes that are no text spoil their own cookie only.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get_all(header::COOKIE).iter().find_map(|value| {
        let cookies = String::from_utf8_lossy(value.as_bytes());
        cookies.split(';').find_map(|cookie| {
            let (found, value) = cookie.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8();
            (found.trim() == name).then_some(value.ok()?.into_owned())
        })
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
