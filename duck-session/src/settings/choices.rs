//! What settings may say, where that is neither a number nor any text.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A time in seconds, or in words: `604800`, `"7 days"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected seconds, or a text such as \"7 days\"")]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(seconds) => Ok(Self(Duration::from_secs(seconds))),
            Written::Text(text) => humantime::parse_duration(&text)
                .map(Self)
                .map_err(serde::de::Error::custom),
        }
    }
}

/// `SESSION_COOKIE_SECURE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Secure {
    /// When the request came over HTTPS.
    #[default]
    Auto,
    /// Always: browsers then neither keep nor send the cookie over plain HTTP.
    Always,
    /// Never.
    Never,
}

impl<'de> Deserialize<'de> for Secure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected true, false or \"auto\"")]
        enum Written {
            Always(bool),
            Auto(Auto),
        }
        #[derive(Deserialize)]
        enum Auto {
            #[serde(rename = "auto")]
            Auto,
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Always(true) => Self::Always,
            Written::Always(false) => Self::Never,
            Written::Auto(Auto::Auto) => Self::Auto,
        })
    }
}

/// `SESSION_COOKIE_SAMESITE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum SameSite {
    /// Sent when a link leads to the site, not with requests that other sites make.
    #[default]
    Lax,
    /// Sent only from the site itself.
    Strict,
    /// Sent from everywhere; needs `SESSION_COOKIE_SECURE = true`.
    None,
}

/// `SESSION_COOKIE_PREFIX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefix {
    /// `__Host-` on HTTPS where path and domain allow it, else `__Secure-`; none on HTTP.
    #[default]
    Auto,
    /// `__Host-` on HTTPS.
    Host,
    /// `__Secure-` on HTTPS.
    Secure,
    /// None.
    None,
}

/// `SESSION_ON_STORE_ERROR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStoreError {
    /// A page that needs the session answers 503.
    #[default]
    Closed,
    /// It sees an empty session that cannot be written.
    Open,
}

/// `SESSION_FSYNC`: which writes survive a power cut. All of them survive the end of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// None is waited for.
    None,
    /// Logins, logouts and new ids: a logout must not come back.
    #[default]
    Security,
    /// All.
    All,
}

/// `SESSION_CONFLICT`: what happens when two requests of a visitor change the session side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// Both changes count: key by key, and an `update` counts on.
    #[default]
    Merge,
    /// The second one to save fails with 409.
    Fail,
    /// The second one to save stands over all that the first one did.
    LastWriteWins,
    /// The second one waits until the first is done.
    Lock,
}

/// `SESSION_ON_LIMIT`: what a login does to a user who has as many sessions as allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLimit {
    /// The one that was not seen for the longest time ends.
    #[default]
    EvictOldest,
    /// The login fails with 403.
    Refuse,
}

/// `SESSION_BIND`: what a session is bound to besides its cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bind {
    /// Nothing.
    #[default]
    None,
    /// What the browser calls itself, without its version.
    Ua,
}
