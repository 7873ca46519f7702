//! The port between `request.session` and whatever keeps sessions.

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;

use super::changes::Changes;
use super::data::SessionData;
use super::id::SessionId;
use super::record::Record;
use super::user_session::UserSession;
use super::visitor::Visitor;
use crate::BoxFuture;
use crate::session::error::SessionError;

/// Keeps sessions: finds the one a visitor's cookie belongs to, and writes changes back.
///
/// duck-session has engines over a cache and over the cookie itself; a store with transactions
/// of its own may implement this directly.
pub trait SessionEngine: Send + Sync + 'static {
    /// Limits and lifetimes that `request.session` has to know.
    fn policy(&self) -> &SessionPolicy;

    /// What time it is for this engine.
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    /// Finds the session of a visitor. No session, or a dead one, is a [`Loaded`] without a
    /// record: an id that is not known is never taken on.
    fn load<'a>(&'a self, visitor: &'a Visitor) -> NowOrLater<'a, Result<Loaded, SessionError>>;

    /// Reads a session again that this visitor has loaded or saved: as it is now, or without a record
    /// where it is over. It is over too for whoever has an id that a login took from it. For
    /// [`Session::reload`](crate::Session::reload) and [`Session::watch`](crate::Session::watch); an
    /// engine without it is taken at its word about [`Record::expires_at`].
    fn reload<'a>(
        &'a self,
        visitor: &'a Visitor,
        record: &'a Record,
    ) -> BoxFuture<'a, Result<Loaded, SessionError>> {
        let _ = (visitor, record);
        let cannot = SessionError::Unsupported("this session engine cannot read a session again");
        Box::pin(ready(Err(cannot)))
    }

    /// Moves the end of a session that was visited and not changed, where that is due. A failure
    /// to do so is no failure of the request.
    fn touch(
        self: Arc<Self>,
        record: &Record,
    ) -> Option<BoxFuture<'static, Result<Commit, SessionError>>> {
        let _ = record;
        None
    }

    /// Writes what a request of this visitor changed. What it does later it does even if the client is
    /// gone.
    fn commit(
        self: Arc<Self>,
        visitor: &Visitor,
        changes: Changes,
    ) -> NowOrLater<'static, Result<Commit, SessionError>>;

    /// The live sessions of a user, the newest first; `current` is the one that asks.
    fn sessions_of<'a>(
        &'a self,
        user: &'a str,
        current: Option<&'a Record>,
    ) -> BoxFuture<'a, Result<Vec<UserSession>, SessionError>> {
        let _ = (user, current);
        Box::pin(ready(Err(NO_INDEX)))
    }

    /// Ends sessions of a user and says how many.
    fn revoke<'a>(
        &'a self,
        user: &'a str,
        which: Revoked<'a>,
    ) -> BoxFuture<'a, Result<usize, SessionError>> {
        let _ = (user, which);
        Box::pin(ready(Err(NO_INDEX)))
    }
}

/// What an engine answers: most do it later, one that need not wait for anything may do it now.
///
/// ```
/// use duck::session::NowOrLater;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(NowOrLater::Now(7).get().await, 7);
/// assert_eq!(NowOrLater::later(async { 7 }).get().await, 7);
/// # }
/// ```
pub enum NowOrLater<'a, T> {
    /// This is it.
    Now(T),
    /// This will give it.
    Later(BoxFuture<'a, T>),
}

impl<'a, T> NowOrLater<'a, T> {
    /// What this gives.
    pub fn later(answer: impl Future<Output = T> + Send + 'a) -> Self {
        Self::Later(Box::pin(answer))
    }

    /// Waits for it.
    pub async fn get(self) -> T {
        match self {
            Self::Now(answer) => answer,
            Self::Later(answer) => answer.await,
        }
    }
}

impl<T> fmt::Debug for NowOrLater<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Now",
            Self::Later(_) => "Later",
        })
    }
}

const NO_INDEX: SessionError =
    SessionError::Unsupported("this session engine does not know which sessions a user has");

/// Which sessions of a user are to end.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Revoked<'a> {
    /// All.
    All,
    /// All but this one.
    AllBut(&'a Record),
    /// The one of this [name](UserSession::name).
    One(&'a str),
}

/// What a session may hold, and for how long.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionPolicy {
    /// How long a session lives after its last save, where it sets nothing else.
    pub cookie_age: Duration,
    /// Whether sessions end with the browser, where they set nothing else.
    pub expire_at_browser_close: bool,
    /// How often the storage may be asked whether a session that is
    /// [watched](crate::Session::watch) lives.
    pub touch_interval: Duration,
    /// How many bytes of JSON.
    pub max_bytes: usize,
    /// How many keys.
    pub max_keys: usize,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            cookie_age: Duration::from_hours(7 * 24),
            expire_at_browser_close: false,
            touch_interval: Duration::from_mins(1),
            max_bytes: 65_536,
            max_keys: 256,
        }
    }
}

/// What an engine found for a visitor.
#[derive(Default)]
#[non_exhaustive]
pub struct Loaded {
    /// The live session, if there is one.
    pub record: Option<Record>,
    /// The data in it, or nothing.
    pub data: SessionData,
    /// Live sessions that the visitor came with and that are not used: of several, nobody can tell which
    /// was planted. A login or a logout ends them.
    pub others: Vec<Record>,
    /// Whether the visitor sent a cookie of the session's name, whatever it says: a logout removes it.
    pub has_cookie: bool,
    /// The cookie that the visitor is to get in any case: the one they sent leads here only for a
    /// little while longer.
    pub cookie: Option<Box<NewCookie>>,
    /// What becomes of what this request sets.
    pub writes: Writable,
}

/// What becomes of what a request sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Writable {
    /// It is saved.
    #[default]
    Yes,
    /// It is dropped, but for a login and a logout: the visitor came with an id that a login has just
    /// replaced, and a session begun now would take the place of theirs.
    Dropped,
    /// It is refused with an error: the storage did not answer, and the site prefers an empty session to an
    /// error page.
    Unavailable,
}

impl Loaded {
    /// A live session.
    pub fn live(record: Record, data: SessionData) -> Self {
        Self {
            record: Some(record),
            data,
            has_cookie: true,
            ..Self::default()
        }
    }

    /// An empty session that cannot be written, because the storage does not answer.
    pub fn unavailable() -> Self {
        Self {
            writes: Writable::Unavailable,
            ..Self::default()
        }
    }

    /// No session; `has_cookie` says whether the visitor sent a session cookie all the same.
    pub fn nothing(has_cookie: bool) -> Self {
        Self {
            has_cookie,
            ..Self::default()
        }
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("record", &self.record)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// What became of a session's changes.
#[derive(Debug)]
#[non_exhaustive]
pub enum Commit {
    /// There was nothing to write.
    Unchanged,
    /// Written.
    Saved {
        /// The record as it is now.
        record: Record,
        /// The data in it: with the changes of other requests, where there were any.
        data: SessionData,
        /// The cookie to send, where the visitor's is no longer right.
        cookie: Option<NewCookie>,
    },
    /// The session is over: the visitor logged out. A cookie that they sent is to be removed.
    Ended,
    /// The session ended while the request ran. Nothing was written, and no cookie may be sent:
    /// the visitor may hold a newer one by now.
    Gone,
}

/// A session cookie to send.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewCookie {
    /// Its value.
    pub value: CookieValue,
    /// How long the browser should keep it; `None` is until it closes.
    pub max_age: Option<Duration>,
}

/// What a session cookie says.
#[derive(Clone)]
pub enum CookieValue {
    /// Which session is the visitor's.
    Id(SessionId),
    /// Anything else that an engine finds its session by.
    Text(HeaderValue),
}

impl CookieValue {
    /// Shows the value to what puts it into a header, and to nothing else.
    pub fn with_text<T>(&self, make: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Self::Id(id) => make(&id.text()),
            Self::Text(text) => make(text.as_bytes()),
        }
    }
}

impl fmt::Debug for CookieValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl NewCookie {
    /// A cookie with this value and lifetime.
    pub fn new(value: CookieValue, max_age: Option<Duration>) -> Self {
        Self { value, max_age }
    }
}
