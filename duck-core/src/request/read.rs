//! Reading a request as a type: query, form, JSON, text.

use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::Request;
use super::body::{BodyStream, check_length};
use crate::request_error::RequestError;

impl Request {
    /// The whole body. It is kept: it may be asked for again.
    ///
    /// # Errors
    ///
    /// 413 when it is larger than `MAX_BODY_BYTES` or the limit of its URL pattern, known from its
    /// length or found while reading; 408 when it does not arrive within `BODY_TIMEOUT`; 400 when
    /// it breaks off.
    pub async fn bytes(&self) -> Result<Bytes, RequestError> {
        let body = &self.inner.body;
        let read = || body.read(self.max_body(), self.limits().body());
        body.whole.get_or_try_init(read).await.cloned()
    }

    /// The body piece by piece, for what is too large to hold. It can be had once, and not after
    /// [`bytes`](Self::bytes) and its kin. The limit holds here too.
    ///
    /// # Errors
    ///
    /// 413 when its length is known and over the limit; 500 when the body was read already.
    pub fn body_stream(&self) -> Result<BodyStream, RequestError> {
        if let Some(bytes) = self.inner.body.whole.get() {
            return Ok(BodyStream {
                body: bytes.clone().into(),
                left: u64::MAX,
                time: Duration::MAX,
            });
        }
        let (body, left) = (self.inner.body.take()?, self.max_body());
        check_length(&body, left)?;
        Ok(BodyStream {
            body,
            left,
            time: self.limits().body(),
        })
    }

    fn max_body(&self) -> u64 {
        self.route()
            .max_body
            .unwrap_or(self.limits().max_body_bytes)
    }
}

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
        let body = self.bytes().await?;
        String::from_utf8(body.into()).map_err(|error| {
            RequestError::bad_request("the body is not UTF-8").because(error.utf8_error())
        })
    }

    fn expect_type(&self, what: &str, is_right: impl Fn(&str) -> bool) -> Result<(), RequestError> {
        let media_type = self.header("content-type").map(essence).unwrap_or_default();
        if is_right(&media_type) {
            return Ok(());
        }
        Err(RequestError::unsupported(format!(
            "the body must be {what}; its Content-Type says otherwise"
        )))
    }
}

/// A media type without its parameters, in lower case.
fn essence(content_type: &str) -> String {
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}
