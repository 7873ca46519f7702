use duck::session::SessionError;

use super::StoredSession;

/// What a store says of an `after` that was never one of its `next`s.
pub(super) const WRONG_CURSOR: SessionError =
    SessionError::Unsupported("a page begins where another one ended, and nowhere else");

/// A part of what a store holds: see [`SessionStore::page`](super::SessionStore::page).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Page {
    /// What is stored, in no order that anybody may count on.
    pub sessions: Vec<StoredSession>,
    /// How many more are there that cannot be read: damaged, or something else in their place.
    pub unreadable: usize,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<String>,
}

impl Page {
    /// A page with these sessions, and where the next one begins.
    pub fn new(sessions: Vec<StoredSession>, next: Option<String>) -> Self {
        Self {
            sessions,
            unreadable: 0,
            next,
        }
    }
}
