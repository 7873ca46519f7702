use std::error::Error as StdError;
use std::fmt;

use bytes::Bytes;
use cookie::Cookie;
use futures_util::Stream;
use http::header::{self, HeaderMap, HeaderName, HeaderValue, IntoHeaderName};
use http::{Extensions, StatusCode};
use serde::Serialize;

use crate::error::Error;
use crate::error::statuses::Statuses;
use crate::http::body::{Body, BoxError};
use crate::http::request_error::RequestError;
use crate::http::spare_headers;

/// What nginx writes for a client that was gone before it had an answer. No response has it.
pub(crate) const GONE_BEFORE_ANSWER: u16 = 499;

/// The answer to a request: a status, headers and a body.
///
/// Views mostly make one with [`html`], [`text`], [`json`] or [`redirect`](crate::redirect()) and
/// change it with the setters here. Setters that take text from the site check it: a header value
/// with a line break is an error, never a second header.
///
/// ```
/// use duck::{Response, StatusCode, html};
///
/// let response = html("<h1>Not yet</h1>").with_status(StatusCode::ACCEPTED).with_header("x-queue", "7")?;
/// assert_eq!(response.status(), 202);
/// assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
/// assert!(Response::default().with_header("x-name", "a\r\nset-cookie: b=c").is_err());
/// # Ok::<(), duck::http::ResponseError>(())
/// ```
pub struct Response(Box<Parts>);

struct Parts {
    http: http::Response<Body>,
    error: Option<Error>,
}

impl Response {
    /// An empty response with this status.
    pub fn new(status: StatusCode) -> Self {
        let mut response = Self::from_http(http::Response::new(Body::empty()));
        *response.0.http.status_mut() = status;
        response
    }

    /// 200 with a body of this media type.
    fn of_type(media_type: HeaderValue, body: impl Into<Body>) -> Self {
        let mut http = http::Response::new(body.into());
        *http.headers_mut() = spare_headers::take();
        Self::from_http(http).with(header::CONTENT_TYPE, media_type)
    }

    /// The response that an error asks for: its status, and the page that goes with it. The error
    /// itself rides along for the log: [`error`](Self::error).
    pub(crate) fn from_error(error: Error) -> Self {
        let mut response = Self::new(error.status());
        let header = error
            .downcast_ref::<RequestError>()
            .and_then(RequestError::header);
        if let Some((name, value)) = header {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response.0.error = Some(error);
        response
    }

    /// Takes the status that the site gives to the error in here, where nothing else has decided it.
    pub(crate) fn decide_status(&mut self, statuses: &Statuses) {
        let Some(error) = &mut self.0.error else {
            return;
        };
        if error.decide(statuses) {
            *self.0.http.status_mut() = error.status();
        }
    }

    /// The same response under another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        *self.0.http.status_mut() = status;
        if let Some(error) = &mut self.0.error {
            error.settle(status);
        }
        self
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.0.http.status()
    }

    /// The same response with a header, in place of any of that name.
    ///
    /// # Errors
    ///
    /// When the name is not a token or the value has characters that no header may have.
    pub fn with_header<V>(mut self, name: &str, value: V) -> Result<Self, ResponseError>
    where
        V: TryInto<HeaderValue, Error: Into<BoxError>>,
    {
        let (name, value) = header_pair(name, value)?;
        self.0.http.headers_mut().insert(name, value);
        Ok(self)
    }

    /// The same response with one more header of that name.
    ///
    /// # Errors
    ///
    /// As [`with_header`](Self::with_header).
    pub fn with_added_header<V>(mut self, name: &str, value: V) -> Result<Self, ResponseError>
    where
        V: TryInto<HeaderValue, Error: Into<BoxError>>,
    {
        let (name, value) = header_pair(name, value)?;
        self.0.http.headers_mut().append(name, value);
        Ok(self)
    }

    /// The same response with a header whose value is known to be right.
    #[must_use]
    pub(crate) fn with(mut self, name: impl IntoHeaderName, value: HeaderValue) -> Self {
        self.0.http.headers_mut().insert(name, value);
        self
    }

    /// The first header of that name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.http.headers().get(name)?.to_str().ok()
    }

    /// Its headers.
    pub fn headers(&self) -> &HeaderMap {
        self.0.http.headers()
    }

    /// Its headers, to change. What is put in has been checked by [`HeaderValue`].
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.0.http.headers_mut()
    }

    /// The same response with a cookie. The value is percent-encoded, as
    /// [`Request::cookie`](crate::Request::cookie) reads it.
    ///
    /// ```
    /// use duck::{Cookie, text};
    ///
    /// let response = text("hi").with_cookie(Cookie::build(("theme", "dark blue")).path("/"))?;
    /// assert_eq!(response.headers()["set-cookie"], "theme=dark%20blue; Path=/");
    /// # Ok::<(), duck::http::ResponseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the name is not a token (RFC 6265, 4.1.1), or the path or domain has a `;` or a
    /// control character.
    pub fn with_cookie<'c>(self, cookie: impl Into<Cookie<'c>>) -> Result<Self, ResponseError> {
        let cookie = cookie.into();
        let attributes = [cookie.path(), cookie.domain()];
        if !is_token(cookie.name())
            || attributes
                .into_iter()
                .flatten()
                .any(|text| text.contains(';'))
        {
            return Err(ResponseError::new(format!(
                "the cookie {:?} cannot be sent",
                cookie.name()
            )));
        }
        let encoded = cookie.encoded().to_string();
        // A token needs no encoding, and names are read as they are sent.
        let rest = encoded.split_once('=').map_or("", |(_, rest)| rest);
        self.with_added_header("set-cookie", format!("{}={rest}", cookie.name()))
    }

    /// The same response with a cookie of the visitor's deleted. `path` and domain have to be those it
    /// was set with; this is for cookies without a domain.
    ///
    /// # Errors
    ///
    /// As [`with_cookie`](Self::with_cookie).
    pub fn without_cookie(self, name: &str, path: &str) -> Result<Self, ResponseError> {
        let mut cookie = Cookie::build((name, "")).path(path).build();
        cookie.make_removal();
        self.with_cookie(cookie)
    }

    /// Its body.
    pub fn body(&self) -> &Body {
        self.0.http.body()
    }

    /// The same response with another body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Body>) -> Self {
        *self.0.http.body_mut() = body.into();
        self
    }

    /// Takes the body out and leaves an empty one.
    pub fn take_body(&mut self) -> Body {
        std::mem::take(self.0.http.body_mut())
    }

    /// The error that made this response, where one did.
    pub fn error(&self) -> Option<&Error> {
        self.0.error.as_ref()
    }

    /// Values of any type for those who handle the response later.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        self.0.http.extensions_mut()
    }

    /// The response as hyper and tower know it.
    pub fn into_http(self) -> http::Response<Body> {
        self.0.http
    }

    /// A response that a tower layer made.
    pub fn from_http(response: http::Response<Body>) -> Self {
        Self(Box::new(Parts {
            http: response,
            error: None,
        }))
    }
}

impl Default for Response {
    /// 200, empty.
    fn default() -> Self {
        Self::new(StatusCode::OK)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.0.http.status())
            .field("headers", self.0.http.headers())
            .field("body", self.0.http.body())
            .finish_non_exhaustive()
    }
}

/// A page of HTML.
pub fn html(page: impl Into<Body>) -> Response {
    Response::of_type(
        const { HeaderValue::from_static("text/html; charset=utf-8") },
        page,
    )
}

/// Plain text.
pub fn text(text: impl Into<Body>) -> Response {
    Response::of_type(
        const { HeaderValue::from_static("text/plain; charset=utf-8") },
        text,
    )
}

/// Bytes without a type that browsers would show: `application/octet-stream`.
pub fn bytes(bytes: impl Into<Bytes>) -> Response {
    Response::of_type(
        const { HeaderValue::from_static("application/octet-stream") },
        bytes.into(),
    )
}

/// Anything that serde can write as JSON.
///
/// A value that it cannot (a map with keys that are no strings) answers 500, with the reason in
/// the log.
///
/// ```
/// let response = duck::json(&[1, 2, 3]);
/// assert_eq!(response.headers()["content-type"], "application/json");
/// ```
#[track_caller]
pub fn json<T: Serialize + ?Sized>(value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(json) => Response::of_type(const { HeaderValue::from_static("application/json") }, json),
        Err(error) => Response::from_error(error.into()),
    }
}

/// A body sent piece by piece as it is made. Sessions are saved before the first piece: the stream may
/// still read `request.session`, but what it would set there is refused with
/// [`SessionError::Committed`](crate::session::SessionError::Committed).
pub fn stream<S, E>(media_type: &'static str, pieces: S) -> Response
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Into<BoxError> + 'static,
{
    Response::of_type(HeaderValue::from_static(media_type), Body::stream(pieces))
}

fn header_pair<V>(name: &str, value: V) -> Result<(HeaderName, HeaderValue), ResponseError>
where
    V: TryInto<HeaderValue, Error: Into<BoxError>>,
{
    let wrong = |error: BoxError| ResponseError {
        what: format!("the header {name:?} cannot be sent"),
        source: Some(error),
    };
    let header = HeaderName::try_from(name).map_err(|error| wrong(error.into()))?;
    let value = value.try_into().map_err(|error| wrong(error.into()))?;
    Ok((header, value))
}

/// Whether a text is a token: RFC 9110, 5.6.2.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Something that no response can carry: a header value with a line break, a redirect to nowhere.
#[derive(Debug)]
pub struct ResponseError {
    what: String,
    source: Option<BoxError>,
}

impl ResponseError {
    pub(crate) fn new(what: String) -> Self {
        Self { what, source: None }
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl StdError for ResponseError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_pointer_wide() {
        assert_eq!(size_of::<Response>(), size_of::<usize>());
    }

    #[test]
    fn json_that_cannot_be_written_is_an_error_page() {
        let map = std::collections::BTreeMap::from([((1, 2), 3)]);
        let response = json(&map);
        assert_eq!(response.status(), 500);
        assert!(response.error().is_some());
    }
}
