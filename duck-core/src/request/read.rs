//! Reading a request as a type: query, form, JSON, text.

use std::borrow::Cow;

use http::StatusCode;
use http::header::{self, HeaderMap};
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;

use super::Request;
use super::content::{content_type, expect_identity};
use crate::fields::{Fields, shown, without_mark};
use crate::parameters::essence;
use crate::request_error::RequestError;

impl Request {
    /// The query as a type: a struct, a map, or a list of pairs.
    ///
    /// A name that comes several times fills a `Vec`; of anything else its last value counts. A value
    /// that is empty is `None` for an `Option`. A `bool` is `on`, `1`, `true` or `yes`, or `off`, `0`,
    /// `false`, `no` or empty.
    ///
    /// ```
    /// # use duck_core::{App, Request, Result, Settings, path, testing::TestClient};
    /// use std::collections::BTreeMap;
    ///
    /// async fn show(request: Request) -> Result<String> {
    ///     let last: BTreeMap<String, String> = request.query()?;
    ///     let all: Vec<(String, String)> = request.query()?;
    ///     Ok(format!("{last:?} {all:?}"))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let site = TestClient::start(App::new(Settings::default()).urls([path("/", show)])).await;
    /// let page = site.get("/?b=1&a=2&b=3").await;
    /// assert_eq!(page.text(), r#"{"a": "2", "b": "3"} [("b", "1"), ("a", "2"), ("b", "3")]"#);
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// 400 when it does not fit the type: the message names the field, and no value. 400 for more
    /// than 1000 fields.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        let query = self.uri().query().unwrap_or_default();
        let Some(fields) = Fields::parse(query.as_bytes()) else {
            return Err(RequestError::bad_request("the query has too many fields"));
        };
        let read = fields.read();
        read.map_err(|error| error.refuse("the query", StatusCode::BAD_REQUEST))
    }

    /// One value of the query, decoded; of several with that name, the first that is UTF-8.
    pub fn query_value(&self, name: &str) -> Option<String> {
        Fields::parse(self.uri().query()?.as_bytes())?.first(name)
    }

    /// A posted form as a type, as [`query`](Self::query) reads it: a struct, a map such as
    /// `BTreeMap<String, String>`, or a `Vec<(String, String)>` with all fields in their order.
    ///
    /// A checkbox that is not checked is not sent at all: give its `bool` a `#[serde(default)]`, or
    /// put `<input type="hidden" value="0">` of the same name before it.
    ///
    /// # Errors
    ///
    /// 415 when the body is no `application/x-www-form-urlencoded`, or has a `Content-Encoding`; 422
    /// when it does not fit the type, or is not UTF-8: the message names the field, and no value; 413
    /// for more than 1000 fields; and as [`bytes`](Self::bytes).
    pub async fn form<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        self.expect_type("a form", |media_type| {
            media_type == "application/x-www-form-urlencoded"
        })?;
        let body = self.bytes().await?;
        let Some(fields) = Fields::parse(&body) else {
            return Err(RequestError::too_large("the form has too many fields"));
        };
        let read = fields.check_text().and_then(|()| fields.read());
        read.map_err(|error| error.refuse("the form", StatusCode::UNPROCESSABLE_ENTITY))
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// 415 when its media type is neither `application/json` nor ends in `+json`, or when it has a
    /// `Content-Encoding`; 400 when it is no JSON; 422 when it does not fit the type: the message
    /// names the field by its path, as in `items[1].price`, and no value; and as
    /// [`bytes`](Self::bytes).
    pub async fn json<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        let is_json =
            |media_type: &str| media_type == "application/json" || media_type.ends_with("+json");
        self.expect_type("JSON", is_json)?;
        let body = self.bytes().await?;
        let text = without_mark(&body);
        serde_json::from_slice(text).map_err(|error| wrong_json::<T>(text, error))
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// 415 when it has a `Content-Encoding`; 400 when it is not UTF-8; and as [`bytes`](Self::bytes).
    pub async fn text(&self) -> Result<String, RequestError> {
        expect_identity(self.headers())?;
        let body = self.bytes().await?;
        String::from_utf8(without_mark(&body).to_vec()).map_err(|error| {
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

/// Says where JSON does not fit. The path to the place is only looked for now: what fits does not
/// pay for it.
fn wrong_json<T: DeserializeOwned>(json: &[u8], error: serde_json::Error) -> RequestError {
    let place = format!("at line {}, column {}", error.line(), error.column());
    if error.classify() != serde_json::error::Category::Data {
        let message = format!("the JSON breaks off or is wrong {place}");
        return RequestError::bad_request(message).because(error);
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    let path = serde_path_to_error::deserialize::<_, T>(&mut reader)
        .err()
        .map(|error| error.path().to_string())
        .filter(|path| path != ".");
    let (name, problem) = named(&error.to_string());
    let field = match (path, name) {
        // One that is not known stands at the end of the path already.
        (Some(path), Some(name)) if problem != UNKNOWN => format!("{path}.{name}"),
        (path, name) => path.or(name).unwrap_or_default(),
    };
    let message = match field.as_str() {
        "" => format!("the JSON {problem}, {place}"),
        field => format!(
            "the field `{}` of the JSON {problem}, {place}",
            shown(field)
        ),
    };
    RequestError::unprocessable(message).because(error)
}

const UNKNOWN: &str = "is not known";

/// The field that serde's message names itself, for what is wrong with the struct around it.
fn named(message: &str) -> (Option<String>, &'static str) {
    for (start, problem) in [
        ("missing field `", "is missing"),
        ("unknown field `", UNKNOWN),
        ("duplicate field `", "comes more than once"),
    ] {
        let name = message
            .strip_prefix(start)
            .and_then(|rest| rest.split_once('`'));
        if let Some((name, _)) = name {
            return (Some(name.to_owned()), problem);
        }
    }
    (None, "is not as expected")
}

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
