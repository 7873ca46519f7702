use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;
use http::header::{HeaderName, HeaderValue};

type Source = Box<dyn StdError + Send + Sync>;

/// Why something could not be read from a request: a body that is too large, JSON that does not
/// parse, a parameter that is missing.
///
/// The visitor is told the [status](Self::status) and the message, which never quotes what was
/// sent; the log has the cause as well.
///
/// ```
/// use duck::StatusCode;
/// use duck::http::RequestError;
///
/// let error = RequestError::new(StatusCode::BAD_REQUEST, "the date is missing");
/// assert_eq!(error.status(), 400);
/// assert_eq!(error.to_string(), "the date is missing");
/// ```
pub struct RequestError(Box<Inner>);

struct Inner {
    status: StatusCode,
    message: Cow<'static, str>,
    source: Option<Source>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl RequestError {
    /// An error that answers with `status` and tells the visitor `message`.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            status,
            message: message.into(),
            source: None,
            header: None,
        }))
    }

    /// The same with what caused it, for the log.
    #[must_use]
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same with a header that the response has to carry.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    pub(crate) fn header(&self) -> Option<&(HeaderName, HeaderValue)> {
        self.0.header.as_ref()
    }

    /// The status the visitor gets.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    pub(crate) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn too_large(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    pub(crate) fn unsupported(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    }

    pub(crate) fn unprocessable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// A mistake of the site, not of the visitor.
    pub(crate) fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestError")
            .field("status", &self.0.status)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for RequestError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
