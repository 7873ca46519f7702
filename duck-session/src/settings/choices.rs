//! What settings may say, where that is neither a number nor any text.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// `SESSION_COOKIE_SECURE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secure {
    /// When the request came over HTTPS, or a prefix is chosen, which is good with `Secure` only.
    Auto,
    /// Always: browsers then neither keep nor send the cookie over plain HTTP.
    Always,
    /// Never.
    Never,
}

impl<'de> Deserialize<'de> for Secure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenSecure)
    }
}

struct WrittenSecure;

impl Visitor<'_> for WrittenSecure {
    type Value = Secure;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false or \"auto\"")
    }

    fn visit_bool<E: Error>(self, always: bool) -> Result<Secure, E> {
        Ok(if always {
            Secure::Always
        } else {
            Secure::Never
        })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secure, E> {
        match text {
            "auto" => Ok(Secure::Auto),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

/// `SESSION_COOKIE_SAMESITE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum SameSite {
    /// Sent when a link leads to the site, not with requests that other sites make.
    Lax,
    /// Sent only from the site itself.
    Strict,
    /// Sent from everywhere; needs `SESSION_COOKIE_SECURE = true`.
    None,
}

/// `SESSION_COOKIE_PREFIX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefix {
    /// Where the cookie is `Secure`: `__Host-` if path and domain allow it, else `__Secure-`.
    Auto,
    /// `__Host-`; the cookie is always `Secure` then.
    Host,
    /// `__Secure-`; the cookie is always `Secure` then.
    Secure,
    /// None.
    None,
}

impl Prefix {
    /// Whether it is a certain one.
    pub(crate) fn is_chosen(self) -> bool {
        matches!(self, Self::Host | Self::Secure)
    }
}

/// `SESSION_ON_STORE_ERROR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStoreError {
    /// A page that needs the session answers 503.
    Closed,
    /// It sees an empty session that cannot be written.
    Open,
}

/// `SESSION_FSYNC`: which writes survive a power cut. All of them survive the end of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// None is waited for.
    None,
    /// Logins, logouts and new ids: a logout must not come back.
    Security,
    /// All.
    All,
}

/// `SESSION_CONFLICT`: what happens when two requests of a visitor change the session side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// Both changes count: key by key, and an `update` counts on.
    Merge,
    /// The second one to save fails with 409.
    Fail,
    /// The second one to save stands over all that the first one did.
    LastWriteWins,
}

/// `SESSION_ON_LIMIT`: what a login does to a user who has as many sessions as allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLimit {
    /// The one that was not seen for the longest time ends.
    EvictOldest,
    /// The login fails with 403.
    Refuse,
}

/// `SESSION_ON_REPLAY`: what happens when an id comes that its session has given up in time, after its grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnReplay {
    /// The log says so, and the visitor is nobody. A browser that was restored from a backup does it too.
    Ignore,
    /// The session ends for all who have it, as with refresh tokens of OAuth (RFC 9700, 4.14.2).
    End,
}

/// `SESSION_BIND`: what a session is bound to besides its cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bind {
    /// Nothing.
    None,
    /// What the browser calls itself, without its version.
    Ua,
}
