//! What happens to sessions, told to the log and, with the feature `metrics`, counted.
//!
//! Neither is told an id, a key, a user or a value: of a session the first six characters of its
//! name, and nothing in a count.

use std::time::Duration;

use crate::seal::Handle;

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
    /// The site says something else of its user than at the login.
    AuthChanged,
    Unreadable,
    ReplayedOldId,
    DuplicateCookie,
    OtherBrowser,
    CreateRate,
}

/// How loudly an event is told.
enum Voice {
    /// Counted only: it happens with every request.
    Silent,
    Debug(&'static str),
    Info(&'static str),
    Warn(&'static str),
}

impl Event {
    /// Tells of it.
    pub(crate) fn tell(self, session: Option<&Handle>) {
        let (name, voice) = self.facts();
        count(name, 1);
        let session = session.map(tracing::field::display);
        match voice {
            Voice::Silent => {}
            Voice::Debug(text) => {
                tracing::debug!(target: "duck_session", event = name, session, "{text}");
            }
            Voice::Info(text) => {
                tracing::info!(target: "duck_session", event = name, session, "{text}");
            }
            Voice::Warn(text) => {
                tracing::warn!(target: "duck_session", event = name, session, "{text}");
            }
        }
    }

    /// The name it has in the log and, a little changed, in the counts; and how loudly it is told.
    fn facts(self) -> (&'static str, Voice) {
        match self {
            Self::Loaded => ("loads", Voice::Silent),
            Self::Malformed => ("malformed", Voice::Silent),
            Self::Unknown => ("unknown", Voice::Silent),
            Self::Created => ("created", Voice::Debug("a session was created")),
            Self::LoggedIn => ("login", Voice::Info("somebody logged in")),
            Self::Renewed => ("renewed", Voice::Info("a session got a new id")),
            Self::Saved => ("saved", Voice::Silent),
            Self::Touched => ("touched", Voice::Silent),
            Self::Merged => ("merged", Voice::Silent),
            Self::Conflict => (
                "conflicts",
                Voice::Info("changes that met others were refused"),
            ),
            Self::Ended => ("logout", Voice::Info("a session ended")),
            Self::Revoked => ("revoked", Voice::Info("a session was revoked")),
            Self::MadeRoom => (
                "made_room",
                Voice::Info("a session made room for another of its user"),
            ),
            Self::Expired => ("expired", Voice::Info("a session has expired")),
            Self::WriteAfterDelete => (
                "write_after_delete",
                Voice::Info("a session ended while a request was changing it"),
            ),
            Self::AuthChanged => (
                "auth_changed",
                Voice::Info("a session does not fit its user any more"),
            ),
            Self::Unreadable => (
                "undecryptable",
                Voice::Warn("a session cannot be opened: another SECRET_KEY, or damage"),
            ),
            Self::ReplayedOldId => (
                "suspicious.replayed_old_id",
                Voice::Warn("an id came that its session has given up"),
            ),
            Self::DuplicateCookie => (
                "suspicious.duplicate_cookie",
                Voice::Warn("two live sessions in one request: neither is used"),
            ),
            Self::OtherBrowser => (
                "suspicious.other_browser",
                Voice::Warn("a session came from another browser than it began in"),
            ),
            Self::CreateRate => (
                "suspicious.create_rate",
                Voice::Warn("too many new sessions from one address: this one is not kept"),
            ),
        }
    }
}

/// Expired sessions were removed.
pub(crate) fn swept(sessions: usize) {
    count("swept", sessions);
    if sessions > 0 {
        tracing::debug!(target: "duck_session", sessions, "expired sessions were removed");
    }
}

/// A storage answered, after so long.
pub(crate) fn answered(took: Duration, failed: bool) {
    #[cfg(feature = "metrics")]
    metrics::histogram!("duck_session_store_seconds").record(took.as_secs_f64());
    let _ = took;
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
