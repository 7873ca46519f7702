use std::fmt;

use http::{HeaderValue, StatusCode, header};

use crate::http::request_error::RequestError;

/// Why somebody was not logged in, in words for the visitor: `refused.to_string()`.
///
/// It does not tell whether there is such a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// There is no such user, or the password is another one.
    Wrong,
    /// There were too many tries: the next one counts in so many seconds. Nothing was compared.
    Wait(u64),
}

impl Refused {
    /// The status of the page that says so: 422, or 429 for too many tries (RFC 6585, 4).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Wrong => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Wait(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong => f.write_str("The name or the password is wrong."),
            Self::Wait(1) => f.write_str("Too many tries: wait a second."),
            Self::Wait(seconds) if *seconds < 120 => {
                write!(f, "Too many tries: wait {seconds} seconds.")
            }
            Self::Wait(seconds) => {
                write!(f, "Too many tries: wait {} minutes.", seconds.div_ceil(60))
            }
        }
    }
}

/// For a form: `form.error("", refused)`.
impl From<Refused> for String {
    fn from(refused: Refused) -> Self {
        refused.to_string()
    }
}

/// RFC 9110, 15.5.2 wants a challenge with a 401; none that is registered is for cookies.
pub(super) fn unauthorized() -> RequestError {
    RequestError::new(StatusCode::UNAUTHORIZED, "log in first").with_header(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Session"),
    )
}
