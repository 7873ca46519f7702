use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;

/// What can go wrong with `request.session`.
///
/// `?` in a view turns it into a response: 503 when the storage did not answer or is [full](Self::Full), 409 when a
/// [conflict](Self::Conflict) could not be settled, 413 when the session would grow
/// [too large](Self::TooLarge), 403 for [too many](Self::TooMany) sessions of a user, else 500.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// The site has no `SessionMiddleware`, or it does not cover this view.
    Missing,
    /// The storage could not be read or written.
    Store(Box<dyn StdError + Send + Sync>),
    /// Other requests changed the session faster than this one could.
    Conflict,
    /// The response is on its way: what is set now would be lost.
    Committed,
    /// A session may hold no more; the text names the limit, and mostly the key and the size. A page
    /// that fails with it keeps nothing of what it set.
    TooLarge(String),
    /// The value under this key is not of the type that was asked for, or cannot be stored.
    Value {
        /// The key.
        key: String,
        /// What serde said, without the value: errors are logged, and the value is the visitor's.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Keys that begin with `_duck` are the framework's own.
    ReservedKey(String),
    /// The user is logged in as often as `SESSION_MAX_SESSIONS_PER_USER` lets them be.
    TooMany,
    /// The storage holds as many sessions as the settings allow, and finds none to give up.
    Full,
    /// The engine keeps nothing that could do what was asked; the text says what.
    Unsupported(&'static str),
}

impl SessionError {
    /// A failure of the storage.
    pub fn store(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Store(source.into())
    }

    /// A value that does not fit.
    pub(crate) fn value(key: &str, error: &serde_json::Error) -> Self {
        Self::Value {
            key: key.to_owned(),
            source: without_value(&error.to_string()).into(),
        }
    }

    /// The status the visitor gets where a view passes the error on.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Store(_) | Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany => StatusCode::FORBIDDEN,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no session: add `SessionMiddleware` to the app"),
            Self::Store(_) => f.write_str("the session storage failed"),
            Self::Conflict => f.write_str("the session kept changing while it was being saved"),
            Self::Committed => f.write_str("the session was already saved with the response"),
            Self::TooLarge(limit) => write!(f, "the session would be too large: {limit}"),
            Self::Value { key, .. } => write!(
                f,
                "the session's {key:?} is of another type, or cannot be stored"
            ),
            Self::ReservedKey(key) => {
                write!(f, "the key {key:?} is reserved: it begins with `_duck`")
            }
            Self::TooMany => f.write_str("the user has as many sessions as the settings allow"),
            Self::Full => f.write_str("the session storage is full"),
            Self::Unsupported(what) => f.write_str(what),
        }
    }
}

impl StdError for SessionError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Store(source) | Self::Value { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

/// What serde says is wrong, without the value it says it of. What it puts behind `expected`, and the
/// names of missing fields, are of the site's own types.
fn without_value(said: &str) -> String {
    let names_value = ["invalid ", "unknown "];
    let names_none = [
        "missing field ",
        "duplicate field ",
        "key must be ",
        "cannot be stored: ",
        "EOF ",
    ];
    if names_none.iter().any(|start| said.starts_with(start)) {
        return said.to_owned();
    }
    match said.rsplit_once(", expected ") {
        Some((_, expected)) if names_value.iter().any(|start| said.starts_with(start)) => {
            format!("expected {expected}")
        }
        _ => "the value does not fit the type".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the errors of reading it matter")]
    struct Card {
        holder: Colour,
        number: u8,
    }

    #[derive(Debug, serde::Deserialize)]
    enum Colour {
        Green,
    }

    /// Errors are logged, and what a session holds is the visitor's.
    #[test]
    fn a_value_of_another_type_is_in_no_error() {
        let secret = "4111, expected 2222";
        for (json, says) in [
            (format!("{secret:?}"), "expected struct Card"),
            (format!("{{\"number\":{secret:?}}}"), "expected u8"),
            ("{\"number\":4111}".into(), "expected u8"),
            (format!("{{\"holder\":{secret:?}}}"), "expected `Green`"),
            (format!("{{{secret:?}:1}}"), "expected `holder` or `number`"),
            ("{\"number\":1}".into(), "missing field `holder`"),
        ] {
            let error = serde_json::from_str::<Card>(&json).unwrap_err();
            let error = SessionError::value("key", &error);
            let shown = format!("{error} {error:?} {}", error.source().unwrap());
            assert!(shown.contains(says), "{shown}");
            assert!(
                !shown.contains("4111") && !shown.contains("2222"),
                "{shown}"
            );
        }
        let custom = serde::de::Error::custom("4111 is no good number, expected another");
        let shown = format!("{:?}", SessionError::value("key", &custom));
        assert!(
            shown.contains("does not fit") && !shown.contains("4111"),
            "{shown}"
        );
    }
}
