//! What happens to sessions, written to the log and, with the feature `metrics`, counted.
//!
//! Neither is told an id, a key, a user or a value: of a session the first six characters of its
//! name, and nothing in a count.

use std::fmt;

use tokio::time::Instant;

use crate::log::Log;
use crate::seal::name_of;
use crate::store::SessionKey;

/// Something that happened to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// It was looked for.
    Loaded,
    /// A cookie was no id at all.
    Malformed,
    /// An id led nowhere.
    Unknown,
    Created,
    LoggedIn,
    Renewed,
    Saved,
    /// Its end was moved.
    Touched,
    /// Changes were made again on top of somebody else's.
    Merged,
    /// They could not be.
    Conflict,
    Ended,
    Revoked,
    MadeRoom,
    Expired,
    WriteAfterDelete,
}

/// A session that was not given to whoever came for it. A visitor can cause that as often as they like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Warning {
    /// The site says something else of its user than at the login.
    AuthChanged,
    Unreadable,
    ReplayedOldId,
    DuplicateCookie,
    OtherBrowser,
}

/// The line of the log for an event.
enum Line {
    /// None: it happens with every request.
    None,
    Debug(&'static str),
    Info(&'static str),
}

impl Event {
    /// Counts it, and writes it to the log.
    pub(crate) fn emit(self, session: Option<&SessionKey>) {
        let (name, line) = self.facts();
        count(name, 1);
        // Hashed only where somebody reads the log.
        let session = session.map(|key| tracing::field::display(ShortName(key)));
        match line {
            Line::None => {}
            Line::Debug(text) => {
                tracing::debug!(target: "duck_session", event = name, session, "{text}");
            }
            Line::Info(text) => {
                tracing::info!(target: "duck_session", event = name, session, "{text}");
            }
        }
    }

    /// The name it has in the log and, a little changed, in the counts; and the line.
    fn facts(self) -> (&'static str, Line) {
        match self {
            Self::Loaded => ("loads", Line::None),
            Self::Malformed => ("malformed", Line::None),
            Self::Unknown => ("unknown", Line::None),
            Self::Created => ("created", Line::Debug("a session was created")),
            Self::LoggedIn => ("login", Line::Info("somebody logged in")),
            Self::Renewed => ("renewed", Line::Info("a session got a new id")),
            Self::Saved => ("saved", Line::None),
            Self::Touched => ("touched", Line::None),
            Self::Merged => ("merged", Line::None),
            Self::Conflict => (
                "conflicts",
                Line::Info("changes that met others were refused"),
            ),
            Self::Ended => ("logout", Line::Info("a session ended")),
            Self::Revoked => ("revoked", Line::Info("a session was revoked")),
            Self::MadeRoom => (
                "made_room",
                Line::Info("a session made room for another of its user"),
            ),
            Self::Expired => ("expired", Line::Info("a session has expired")),
            Self::WriteAfterDelete => (
                "write_after_delete",
                Line::Info("a session ended while a request was changing it"),
            ),
        }
    }
}

impl Warning {
    /// Counts it, and writes it to the log unless there are too many of its kind.
    pub(crate) fn emit(self, session: Option<&SessionKey>, log: &Log) {
        let (name, text) = self.facts();
        count(name, 1);
        if log.admits(text) {
            let session = session.map(|key| tracing::field::display(ShortName(key)));
            tracing::warn!(target: "duck_session", event = name, session, "{text}");
        }
    }

    fn facts(self) -> (&'static str, &'static str) {
        match self {
            Self::AuthChanged => ("auth_changed", "a session does not fit its user any more"),
            Self::Unreadable => (
                "undecryptable",
                "a session cannot be opened: another SECRET_KEY, or damage",
            ),
            Self::ReplayedOldId => (
                "suspicious.replayed_old_id",
                "an id came that its session has given up",
            ),
            Self::DuplicateCookie => (
                "suspicious.duplicate_cookie",
                "two live sessions in one request: neither is used",
            ),
            Self::OtherBrowser => (
                "suspicious.other_browser",
                "a session came from another browser than it began in",
            ),
        }
    }
}

/// The first six characters of a session's name: enough to tell two apart.
struct ShortName<'a>(&'a SessionKey);

impl fmt::Display for ShortName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name_of(self.0)[..6])
    }
}

/// Expired sessions were removed.
pub(crate) fn swept(sessions: usize) {
    count("swept", sessions);
    if sessions > 0 {
        tracing::debug!(target: "duck_session", sessions, "expired sessions were removed");
    }
}

/// A storage that was asked at this moment has answered.
pub(crate) fn answered(start: Instant, failed: bool) {
    #[cfg(feature = "metrics")]
    metrics::histogram!("duck_session_store_seconds").record(start.elapsed().as_secs_f64());
    let _ = start;
    if failed {
        count("store_errors", 1);
    }
}

#[cfg(feature = "metrics")]
fn count(name: &str, times: usize) {
    let name = format!("duck_session_{}_total", name.replace('.', "_"));
    metrics::counter!(name).increment(times as u64);
}

#[cfg(not(feature = "metrics"))]
fn count(_name: &str, _times: usize) {}
