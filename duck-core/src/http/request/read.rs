//! Reading a request as a type: query, form, JSON, text.

#[cfg(feature = "multipart")]
use std::borrow::Cow;

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::Request;
use super::content::{content_type, expect_identity};
use crate::http::fields::{Fields, shown, without_mark};
use crate::http::parameters::essence;
use crate::http::parsing;
use crate::http::request_error::RequestError;

impl Request {
    /// The query as a type: a struct, a map, or a list of pairs.
    ///
    /// A name that comes several times fills a `Vec`; of anything else its last value counts. A value
    /// that is empty is `None` for an `Option`. A `bool` is `on`, `1`, `true` or `yes`, or `off`, `0`,
    /// `false`, `no` or empty. With `#[serde(flatten)]` serde takes every value of the inner struct for
    /// a text: numbers and `bool`s do not fit there.
    ///
    /// ```
    /// # use duck::{App, Request, Result, Settings, path, testing::TestClient};
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
    /// 400 when it does not fit the type: the message names the field, and no value. 413 for more
    /// than `MAX_FIELDS` (1000) fields.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        let query = self.uri().query().unwrap_or_default();
        let Some(fields) = Fields::parse(query.as_bytes(), self.limits().max_fields) else {
            return Err(RequestError::too_large("the query has too many fields"));
        };
        let read = fields.read();
        read.map_err(|error| error.refuse("the query", StatusCode::BAD_REQUEST))
    }

    /// One value of the query, decoded; of several with that name, the first that is UTF-8.
    pub fn query_value(&self, name: &str) -> Option<String> {
        let query = self.uri().query()?.as_bytes();
        Fields::parse(query, self.limits().max_fields)?.first(name)
    }

    /// A posted form as a type, as [`query`](Self::query) reads it: a struct, a map such as
    /// `BTreeMap<String, String>`, or a `Vec<(String, String)>` with all fields in their order.
    ///
    /// A checkbox that is not checked is not sent at all: give its `bool` a `#[serde(default)]`, or
    /// put `<input type="hidden" value="0">` of the same name before it.
    ///
    /// This is for programs and for forms that cannot be filled in wrongly: the first thing that is
    /// wrong is the answer, a plain page. What visitors fill in is read with `form` (the feature
    /// `forms`), and shown again with all that is wrong.
    ///
    /// # Errors
    ///
    /// 415 when the body is no `application/x-www-form-urlencoded`, or has a `Content-Encoding`; 422
    /// when it does not fit the type, or is not UTF-8: the message names the field, and no value; 413
    /// for more than `MAX_FIELDS` (1000) fields; and as [`bytes`](Self::bytes).
    pub async fn form_as<T>(&self) -> Result<T, RequestError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.expect_form()?;
        let body = self.bytes().await?;
        let max_fields = self.limits().max_fields;
        parsing::parse(parsing::weight_of_form(&body), move || {
            let Some(fields) = Fields::parse(&body, max_fields) else {
                return Err(RequestError::too_large("the form has too many fields"));
            };
            let read = fields.check_text().and_then(|()| fields.read());
            read.map_err(|error| error.refuse("the form", StatusCode::UNPROCESSABLE_ENTITY))
        })
        .await
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// 415 when its media type is neither `application/json` nor ends in `+json`, or when it has a
    /// `Content-Encoding`; 400 when it is no JSON; 422 when it does not fit the type: the message
    /// names the field by its path, as in `items[1].price`, and no value; and as
    /// [`bytes`](Self::bytes).
    pub async fn json<T>(&self) -> Result<T, RequestError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let is_json =
            |media_type: &str| media_type == "application/json" || media_type.ends_with("+json");
        self.expect_type("JSON", is_json)?;
        let body = self.bytes().await?;
        parsing::parse(body.len(), move || {
            let text = without_mark(&body);
            serde_json::from_slice(text).map_err(|error| wrong_json::<T>(text, error))
        })
        .await
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

    pub(crate) fn expect_form(&self) -> Result<(), RequestError> {
        self.expect_type("a form", |media_type| {
            media_type == "application/x-www-form-urlencoded"
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

    #[cfg(feature = "forms")]
    pub(crate) fn is_multipart(&self) -> Result<bool, RequestError> {
        Ok(essence(&content_type(self.headers())?) == "multipart/form-data")
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
    (None, "is not valid")
}
