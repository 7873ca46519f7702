//! `request.session`: what a site remembers of a visitor from one request to the next.

mod auth_hash;
mod changes;
pub(crate) mod csrf;
mod data;
mod engine;
pub(crate) mod error;
mod expiry;
mod finish;
mod flash;
mod flashes;
mod guard;
mod id;
mod identity;
mod read;
mod record;
mod save;
mod state;
mod user_session;
mod user_sessions;
mod value;
mod visitor;
mod watch;
mod write;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

pub use self::auth_hash::AuthHash;
pub use self::changes::{Changes, IdChange};
pub use self::data::SessionData;
use self::data::USER;
pub use self::engine::{
    Commit, CookieValue, Loaded, NewCookie, NowOrLater, Revoked, SessionEngine, SessionPolicy,
    Writable,
};
pub use self::error::SessionError;
pub use self::expiry::{Expiry, Lifetime};
pub use self::flash::{Flash, FlashLevel};
pub use self::guard::SessionGuard;
pub use self::id::SessionId;
pub use self::record::Record;
pub use self::state::CookieChange;
use self::state::{State, Writing};
pub use self::user_session::UserSession;
use self::value::{Json, encode};
pub(crate) use self::visitor::Appearance;
pub use self::visitor::Visitor;

/// The session of a request's visitor.
///
/// Values live under keys and are anything that serde can turn into JSON. Nothing is loaded before
/// the first access, and nothing is written unless something changed; the session is saved when
/// the view has returned, before the response leaves. All methods take `&self`: clones share one
/// session.
///
/// Requests of one visitor that run side by side do not undo each other's changes: what they set
/// under different keys is merged, and [`update`](Self::update) counts on from the latest value.
///
/// ```
/// # use duck::{Request, Result};
/// async fn visits(request: Request) -> Result<String> {
///     let visits = request.session.update("visits", |n: &mut u64| *n += 1).await?;
///     Ok(format!("visit {visits}"))
/// }
/// ```
///
/// Every method that touches the session fails with [`SessionError::Missing`] where the site has no
/// `SessionMiddleware`, and with [`SessionError::Store`] where the storage does not answer.
#[derive(Clone, Default)]
pub struct Session(Option<Arc<Inner>>);

struct Inner {
    engine: Arc<dyn SessionEngine>,
    visitor: Visitor,
    accessed: AtomicBool,
    loaded: AtomicBool,
    /// Whether it was tried and could not be.
    failed: AtomicBool,
    /// Held while the session is loaded or saved: one at a time, and each save begins where the
    /// last one ended.
    turn: futures_util::lock::Mutex<()>,
    state: Mutex<State>,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// Loads the session once, whether that succeeds or not: on a page of ten parts, a storage
    /// that does not answer is waited for once.
    async fn load(&self) -> Result<(), SessionError> {
        let _turn = self.turn.lock().await;
        if self.is_loaded() {
            return Ok(());
        }
        if self.failed.load(Ordering::Relaxed) {
            return Err(SessionError::store("the session could not be loaded"));
        }
        // Only what is waited for is kept meanwhile, so that the future of a view stays small.
        let later = match self.engine.load(&self.visitor) {
            NowOrLater::Now(loaded) => return self.fill(loaded),
            NowOrLater::Later(later) => later,
        };
        self.fill(later.await)
    }

    fn fill(&self, loaded: Result<Loaded, SessionError>) -> Result<(), SessionError> {
        self.failed.store(loaded.is_err(), Ordering::Relaxed);
        self.state().fill(loaded?);
        self.loaded.store(true, Ordering::Release);
        Ok(())
    }

    /// Takes no more changes; says whether a save was asked for although nothing differs.
    fn close(&self) -> bool {
        let mut state = self.state();
        if state.writing == Writing::Open {
            state.writing = Writing::Closed;
        }
        state.forced
    }

    fn commit(&self, changes: Changes) -> NowOrLater<'static, Result<Commit, SessionError>> {
        self.engine.clone().commit(&self.visitor, changes)
    }

    /// Writes what the end of a request has to write: its changes, or that it was there.
    fn last_commit(
        &self,
        keep_data: bool,
    ) -> Result<NowOrLater<'static, Result<Commit, SessionError>>, SessionError> {
        let mut state = self.state();
        state.take_failure(keep_data)?;
        if let Some(changes) = state.take_changes(keep_data) {
            drop(state);
            return Ok(self.commit(changes));
        }
        let visited = state.visited().filter(|_| keep_data);
        let touch = visited.and_then(|record| self.engine.clone().touch(record));
        Ok(touch.map_or(NowOrLater::Now(Ok(Commit::Unchanged)), NowOrLater::Later))
    }

    /// Notes what became of that, and gives the cookie that the response needs.
    fn end(
        &self,
        commit: Result<Commit, SessionError>,
    ) -> Result<Option<CookieChange>, SessionError> {
        let mut state = self.state();
        state.note(commit)?;
        Ok(state.take_cookie_change())
    }

    /// Saves in the middle of a request.
    async fn save(self: Arc<Self>) -> Result<(), SessionError> {
        let _turn = self.turn.lock().await;
        let changes = {
            let mut state = self.state();
            state.take_failure(true)?;
            state.take_changes(true)
        };
        let Some(changes) = changes else {
            return Ok(());
        };
        let commit = self.commit(changes).get().await;
        self.state().note(commit)
    }
}

/// Between the handle and those who build on it.
impl Session {
    /// The session of a visitor, not loaded yet. For session middleware.
    pub fn new(engine: Arc<dyn SessionEngine>, visitor: Visitor) -> Self {
        let visitor = visitor.arrived_at(engine.now());
        Self(Some(Arc::new(Inner {
            engine,
            visitor,
            accessed: AtomicBool::new(false),
            loaded: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            turn: futures_util::lock::Mutex::default(),
            state: Mutex::new(State::default()),
        })))
    }

    /// The same session for the view of a socket, which goes on when the response has left: it can be read, and
    /// saved as long as that needs no cookie.
    #[cfg(feature = "websocket")]
    pub(crate) fn for_socket(&self) -> Self {
        let Some(inner) = &self.0 else {
            return Self(None);
        };
        let state = inner.state().go_on_without_cookie();
        Self(Some(Arc::new(Inner {
            engine: inner.engine.clone(),
            visitor: inner.visitor.clone().arrived_at(inner.engine.now()),
            accessed: AtomicBool::new(false),
            loaded: AtomicBool::new(inner.is_loaded()),
            failed: AtomicBool::new(false),
            turn: futures_util::lock::Mutex::default(),
            state: Mutex::new(state),
        })))
    }

    /// What the request shows of its visitor; `None` without a session middleware.
    pub fn visitor(&self) -> Option<&Visitor> {
        self.0.as_ref().map(|inner| &inner.visitor)
    }

    /// Whether anything asked for the session so far. For session middleware.
    pub fn is_accessed(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|inner| inner.accessed.load(Ordering::Relaxed))
    }

    /// Whether the request has asked for the session, and somebody is logged in. For session middleware.
    ///
    /// ```
    /// assert!(!duck::Session::default().has_user());
    /// ```
    pub fn has_user(&self) -> bool {
        let inner = self.0.as_ref().filter(|inner| inner.is_loaded());
        inner.is_some_and(|inner| inner.state().data.get(USER).is_some())
    }

    /// Whether somebody besides this handle has the session: a stream that goes on when the view has
    /// returned, or a task. They may still ask for it. For session middleware.
    ///
    /// ```
    /// // Outside of a session middleware nobody has one.
    /// assert!(!duck::Session::default().is_held_elsewhere());
    /// ```
    pub fn is_held_elsewhere(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|inner| Arc::strong_count(inner) > 1)
    }

    /// The session, loaded.
    async fn access(&self) -> Result<&Inner, SessionError> {
        let inner = self.0.as_ref().ok_or(SessionError::Missing)?;
        inner.accessed.store(true, Ordering::Relaxed);
        if !inner.is_loaded() {
            inner.load().await?;
        }
        Ok(inner)
    }

    /// The session, loaded, for a key of the site's own.
    async fn open(&self, key: &str) -> Result<&Inner, SessionError> {
        if data::is_reserved(key) {
            return Err(SessionError::ReservedKey(key.to_owned()));
        }
        self.access().await
    }

    /// Takes back what a guard was lent.
    fn store_guarded<T: Serialize>(&self, key: &str, before: &Json, value: &T) {
        let Some(inner) = &self.0 else { return };
        let stored = match encode(key, value) {
            Ok(json) if json == *before => return,
            Ok(json) => inner.state().set(key, &json, inner.engine.policy()),
            Err(error) => Err(error),
        };
        match stored {
            Err(SessionError::Committed) => {
                tracing::warn!(target: "duck_session", "a value lent by `get_mut` changed after the response: it is lost");
            }
            Err(error) => inner.state().fail(error),
            Ok(()) => {}
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Session(none)"),
            Some(inner) => f
                .debug_struct("Session")
                .field("loaded", &inner.is_loaded())
                .field("modified", &inner.state().is_dirty())
                .finish_non_exhaustive(),
        }
    }
}
