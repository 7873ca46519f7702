use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;

use http::StatusCode;

use crate::request_error::RequestError;
use crate::session_error::SessionError;

/// What a view, a middleware or a site gives back; the error is any error, through `?`.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request could not be answered as asked: a status for the visitor and a cause for the log.
///
/// `?` makes one from every error there is. Errors of the framework keep the status they stand
/// for; any other is a 500. The line with the `?` is remembered and logged.
///
/// ```
/// use duck_core::{Error, Result, StatusCode};
///
/// fn age(text: &str) -> Result<u8> {
///     Ok(text.parse()?)
/// }
///
/// let error = age("old").unwrap_err();
/// assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
/// assert_eq!(error.to_string(), "invalid digit found in string");
///
/// let error = age("old").map_err(|error| error.with_status(StatusCode::BAD_REQUEST)).unwrap_err();
/// assert_eq!(error.status(), 400);
/// ```
///
/// As with `anyhow`, `Error` is not itself a [`std::error::Error`], so that the conversion from
/// all of those can exist. An error type of your own converts with `impl From<Mine> for Error` only
/// if it does not implement `std::error::Error`; else choose the status with
/// [`with_status`](Self::with_status).
pub struct Error(Box<Inner>);

struct Inner {
    status: StatusCode,
    cause: Box<dyn StdError + Send + Sync>,
    place: &'static Location<'static>,
}

impl Error {
    /// An error with a status and a cause (an error, or a text). Only the log sees the cause.
    #[track_caller]
    pub fn new(status: StatusCode, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Box::new(Inner {
            status,
            cause: cause.into(),
            place: Location::caller(),
        }))
    }

    /// 404, with the reason for the log.
    #[track_caller]
    pub fn not_found(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, cause)
    }

    /// A fault of the site: 500.
    #[track_caller]
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, cause)
    }

    /// The same error under another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// The status the visitor gets.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What went wrong, with its own causes behind [`source`](StdError::source).
    pub fn cause(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0.cause
    }

    /// The same, taken out.
    pub fn into_cause(self) -> Box<dyn StdError + Send + Sync> {
        self.0.cause
    }

    /// The line of the site's code where the error was made or passed on with `?`.
    pub fn place(&self) -> &'static Location<'static> {
        self.0.place
    }

    /// The cause as the type it was made from.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.cause.downcast_ref()
    }

    /// The cause and the causes behind it, outermost first, as one line for a log.
    pub fn chain(&self) -> String {
        let mut line = self.0.cause.to_string();
        let mut next = self.0.cause.source();
        while let Some(cause) = next {
            line.push_str(": ");
            line.push_str(&cause.to_string());
            next = cause.source();
        }
        line
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    #[track_caller]
    fn from(cause: E) -> Self {
        Self::new(status_of(&cause), cause)
    }
}

/// The status an error stands for: the framework's own errors know theirs.
fn status_of(cause: &dyn Any) -> StatusCode {
    if let Some(error) = cause.downcast_ref::<RequestError>() {
        error.status()
    } else if let Some(error) = cause.downcast_ref::<SessionError>() {
        error.status()
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.cause, f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}) at {}",
            self.chain(),
            self.0.status.as_u16(),
            self.0.place
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_mark_remembers_the_line() {
        fn fails() -> Result<u8> {
            Ok("x".parse::<u8>()?)
        }
        let error = fails().unwrap_err();
        assert!(error.place().file().ends_with("error.rs"));
    }

    #[test]
    fn framework_errors_keep_their_status() {
        let error = Error::from(RequestError::too_large("the body is larger than 1 MB"));
        assert_eq!(error.status(), 413);
        let error = Error::from(SessionError::store("disk full"));
        assert_eq!(
            (error.status().as_u16(), error.chain().as_str()),
            (503, "the session storage failed: disk full")
        );
    }

    #[test]
    fn is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
