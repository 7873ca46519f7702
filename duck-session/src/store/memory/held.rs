use bytes::Bytes;

use crate::store::{StoredSession, UserKey};

/// The time of what is never over.
pub(super) const NEVER: u64 = u64::MAX;

/// What a slot takes besides what it holds: its part of the slots and of two indexes, which grow by
/// doubling.
pub(super) const OVERHEAD: usize = 64;

/// What a slot holds: a session, or an entry of the site's own.
pub(super) enum Held {
    Session(StoredSession),
    Entry(Box<Entry>),
}

/// A value under a key.
pub(super) struct Entry {
    pub(super) key: Box<str>,
    pub(super) value: Bytes,
    /// From when on it is gone, by the monotonic clock.
    pub(super) over_from: u64,
}

impl Held {
    pub(super) fn session(&self) -> Option<&StoredSession> {
        match self {
            Self::Session(session) => Some(session),
            Self::Entry(_) => None,
        }
    }

    pub(super) fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Session(_) => None,
            Self::Entry(entry) => Some(entry),
        }
    }

    pub(super) fn user(&self) -> Option<&UserKey> {
        self.session()?.user()
    }

    /// The bytes that it counts with.
    pub(super) fn size(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Session(session) => session.size(),
                Self::Entry(entry) => size_of::<Entry>() + entry.key.len() + entry.value.len(),
            }
    }

    /// From when on it is expired, by its own clock.
    pub(super) fn over_from(&self) -> u64 {
        match self {
            Self::Session(session) => session.expires().saturating_add(1),
            Self::Entry(entry) => entry.over_from,
        }
    }
}

/// What time it is, or when something may be over: sessions end by the clock of the engine, entries by the
/// monotonic one. Both count milliseconds.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) sessions: u64,
    pub(super) entries: u64,
}

impl Times {
    pub(super) const NEVER: Self = Self {
        sessions: NEVER,
        entries: NEVER,
    };

    pub(super) fn of(self, is_session: bool) -> u64 {
        if is_session {
            self.sessions
        } else {
            self.entries
        }
    }

    /// Remembers that something may be over at `time`.
    pub(super) fn expect(&mut self, is_session: bool, time: u64) {
        let earliest = if is_session {
            &mut self.sessions
        } else {
            &mut self.entries
        };
        *earliest = time.min(*earliest);
    }

    /// Whether any of these times has come.
    pub(super) fn have_come(self, now: Self) -> bool {
        self.sessions <= now.sessions || self.entries <= now.entries
    }
}
