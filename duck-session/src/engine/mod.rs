//! The built-in engine: sessions over a [`SessionStore`], with compare-and-swap and merge by key.

#[cfg(feature = "commands")]
pub(crate) mod administration;
pub(crate) mod breaker;
mod end;
#[cfg(feature = "tasks")]
mod leases;
mod load;
mod next;
mod save;
mod users;

use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use duck::session::{
    Changes, Commit, CookieValue, Loaded, NewCookie, NowOrLater, Record, Revoked, SessionEngine,
    SessionError, SessionId, SessionPolicy, UserSession, Visitor,
};
use duck::settings::SecretKey;
use duck::{BoxFuture, Result};
use futures_util::FutureExt;
use futures_util::future::Either;
use tokio::time::{Instant, timeout};

use self::breaker::{Breaker, store_error};
use crate::binding::Binding;
use crate::clock::{self, Clock};
use crate::cookie::{self, SessionCookie};
use crate::events;
use crate::lifetime::Lifetimes;
use crate::locks::KeyedLocks;
use crate::log::Log;
use crate::opening::Opening;
use crate::seal::{Sealer, random};
use crate::settings::{Conflict, Fsync, OnLimit, OnReplay, OnStoreError};
use crate::store::{Durability, OpenSession, SessionKey, SessionStore};

/// Keeps sessions in a store.
pub(crate) struct StoreEngine<S> {
    store: S,
    cookie: SessionCookie,
    sealer: Sealer,
    lifetimes: Lifetimes,
    clock: Clock,
    locks: KeyedLocks,
    conflict: Conflict,
    binding: Binding,
    log: Log,
    breaker: Breaker,
    most_per_user: usize,
    on_limit: OnLimit,
    on_replay: OnReplay,
    store_timeout: Duration,
    on_store_error: OnStoreError,
    fsync: Fsync,
    sweep_batch: usize,
}

impl<S: SessionStore> StoreEngine<S> {
    pub(crate) fn new(store: S, opening: &Opening<'_>) -> Result<Self> {
        let (own, settings) = (opening.own, opening.settings);
        let sealer = if S::IN_PROCESS {
            Sealer::in_process()?
        } else {
            Sealer::sealed(&SecretKey::from_settings(settings)?, own.session_encrypt)?
        };
        Ok(Self {
            store,
            cookie: SessionCookie::new(own),
            sealer,
            lifetimes: Lifetimes::new(own),
            clock: opening.clock.clone(),
            locks: KeyedLocks::new(),
            conflict: own.session_conflict,
            binding: Binding::new(opening),
            log: Log::default(),
            breaker: Breaker::default(),
            most_per_user: own.session_max_sessions_per_user,
            on_limit: own.session_on_limit,
            on_replay: own.session_on_replay,
            store_timeout: own.session_store_timeout.0,
            on_store_error: own.session_on_store_error,
            fsync: own.session_fsync,
            sweep_batch: own.session_sweep_batch,
        })
    }

    /// Removes some expired sessions and returns how many.
    pub(crate) async fn sweep(&self) -> Result<usize> {
        let now = self.clock.now();
        self.store.remove_expired(now, self.sweep_batch).await
    }

    pub(crate) async fn flush(&self) -> Result<()> {
        self.store.flush().await
    }

    /// Asks the storage for a session that nobody has.
    pub(crate) async fn probe(&self) -> Result<()> {
        let key = SessionKey::from_bytes(random());
        self.within(Operation::Read, self.store.load(&key)).await?;
        Ok(())
    }

    /// Waits for the store, but not for ever, and not while it keeps failing.
    fn within<T: Send>(
        &self,
        operation: Operation,
        answer: impl Future<Output = Result<T>> + Send,
    ) -> impl Future<Output = Result<T, SessionError>> + Send {
        // What is in memory answers at once: no timer is needed.
        if S::IN_PROCESS {
            let answer = answer
                .now_or_never()
                .unwrap_or_else(|| Err(NOT_AT_ONCE.into()));
            return Either::Left(ready(answer.map_err(store_error)));
        }
        // Boxed, so that what waits for memory is not as large as what waits for a disk.
        Either::Right(Box::pin(async move {
            if !self.breaker.lets_pass() {
                return Err(SessionError::store("the session storage keeps failing"));
            }
            let start = Instant::now();
            let (limit, mut answer) = (self.store_timeout, pin!(answer));
            let mut timed = timeout(limit, answer.as_mut()).await;
            if timed.is_err() && start.elapsed() > limit + HELD_UP {
                timed = timeout(limit, answer).await;
            }
            let took_too_long = timed.is_err();
            let answer = match timed {
                Ok(answer) => answer.map_err(store_error),
                Err(_) => Err(SessionError::store("SESSION_STORE_TIMEOUT is over")),
            };
            let failed = matches!(answer, Err(SessionError::Store(_)));
            events::answered(start, failed);
            match operation {
                _ if !failed => self.breaker.succeeded(),
                Operation::Write if !took_too_long => {}
                Operation::Read | Operation::Write => self.breaker.failed(),
            }
            answer
        }))
    }

    /// What the work gives, where it does not wait for anything: then it needs no memory of its own. Only writes
    /// that others were faster than wait. Such a write has not changed its session so far, and begins again.
    fn at_once<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        if S::IN_PROCESS && !self.binding.exists() {
            return work.now_or_never();
        }
        None
    }

    /// The session under a key, opened.
    async fn fetch(&self, key: &SessionKey) -> Result<Fetched, SessionError> {
        let loading = self.within(Operation::Read, self.store.load(key));
        let Some(stored) = loading.await? else {
            return Ok(Fetched::Nothing);
        };
        Ok(match self.sealer.open(&stored) {
            Some(session) if !self.is_over(&session) => Fetched::Live(session),
            Some(session) => Fetched::Expired(session),
            None => Fetched::Unreadable,
        })
    }

    /// The session under a key, where it is alive and opens.
    async fn fetch_live(&self, key: &SessionKey) -> Result<Option<OpenSession>, SessionError> {
        match self.fetch(key).await? {
            Fetched::Live(session) => Ok(Some(session)),
            _ => Ok(None),
        }
    }

    fn is_over(&self, session: &OpenSession) -> bool {
        self.lifetimes.end(session.header(), session.expires()) <= self.clock.now()
    }

    /// What a write has to survive; `secures` where it is a login, a logout or another change of who may use
    /// the session.
    fn durability(&self, secures: bool) -> Durability {
        let is_durable = match self.fsync {
            Fsync::None => false,
            Fsync::Security => secures,
            Fsync::All => true,
        };
        if is_durable {
            Durability::PowerCut
        } else {
            Durability::Crash
        }
    }

    /// The session as `request.session` keeps it, for a visitor with this id.
    fn record(&self, id: SessionId, session: OpenSession) -> Record {
        let expires_at = clock::time(self.lifetimes.end(session.header(), session.expires()));
        Record::new(Some(id), session.into_seen(), expires_at)
    }

    /// The id of a session as it is now, for a visitor who came with this one; `None` where that cannot be
    /// known from it.
    fn current_id(&self, id: SessionId, session: &OpenSession) -> Option<SessionId> {
        let verifiers = &session.header().verifiers;
        if !verifiers.has_given_up() || verifiers.is_current(&self.sealer.digest(&id)) {
            return Some(id);
        }
        let verifier = self.sealer.unwrap(&id, verifiers.sealed()?)?;
        Some(id.with_verifier(verifier))
    }
}

/// The cookie for a session.
fn new_cookie(id: SessionId, session: &OpenSession, now: u64) -> NewCookie {
    let (expires, persistent) = (session.expires(), session.header().persistent);
    let max_age = cookie::max_age(expires, now, persistent);
    NewCookie::new(CookieValue::Id(id), max_age)
}

/// A deadline that is noticed so late is that of a thread on which a view has computed. What was asked of the store may
/// not even be on its way: it has its time once more.
const HELD_UP: Duration = Duration::from_millis(10);

/// A store in the memory of this process that waits for something.
const NOT_AT_ONCE: SessionError =
    SessionError::Unsupported("a store in the memory of this process has to answer at once");

/// What is asked of a store.
#[derive(Clone, Copy)]
enum Operation {
    /// A failed read always counts as an outage.
    Read,
    /// A write may fail where reading goes on, on a full disk: it counts only if it takes too long.
    Write,
}

/// What is under a key.
enum Fetched {
    Live(OpenSession),
    /// Its time is over, and nobody has removed it yet.
    Expired(OpenSession),
    Nothing,
    /// Sealed with a key that is not there, damaged, or of a format that is not known. It is left where it is:
    /// a wrong key in one deployment must not destroy what the right one can read.
    Unreadable,
}

/// The session that a request has loaded, and the id it came with.
fn seen(record: &Record) -> Result<(SessionId, OpenSession), SessionError> {
    let session = OpenSession::from_seen(&record.seen);
    let foreign = SessionError::Unsupported("the record is not this engine's");
    record.id.zip(session).ok_or(foreign)
}

impl<S: SessionStore> SessionEngine for StoreEngine<S> {
    fn policy(&self) -> &SessionPolicy {
        &self.lifetimes.policy
    }

    fn now(&self) -> SystemTime {
        self.clock.time()
    }

    fn load<'a>(&'a self, visitor: &'a Visitor) -> NowOrLater<'a, Result<Loaded, SessionError>> {
        match self.at_once(self.find(visitor)) {
            Some(found) => NowOrLater::Now(found),
            None => NowOrLater::later(self.find(visitor)),
        }
    }

    fn reload<'a>(
        &'a self,
        visitor: &'a Visitor,
        record: &'a Record,
    ) -> BoxFuture<'a, Result<Loaded, SessionError>> {
        Box::pin(self.look_again(visitor, record))
    }

    fn touch(
        self: Arc<Self>,
        record: &Record,
    ) -> Option<BoxFuture<'static, Result<Commit, SessionError>>> {
        let (id, session) = seen(record).ok()?;
        let forced = self.visit_due(id, &session)?;
        Some(Box::pin(async move {
            Ok(self.note_visit(id, &session, forced).await)
        }))
    }

    fn commit(
        self: Arc<Self>,
        visitor: &Visitor,
        changes: Changes,
    ) -> NowOrLater<'static, Result<Commit, SessionError>> {
        if let Some(written) = self.at_once(self.write(&changes, visitor)) {
            return NowOrLater::Now(written);
        }
        let visitor = visitor.clone();
        NowOrLater::later(async move { self.write(&changes, &visitor).await })
    }

    fn sessions_of<'a>(
        &'a self,
        user: &'a str,
        current: Option<&'a Record>,
    ) -> BoxFuture<'a, Result<Vec<UserSession>, SessionError>> {
        Box::pin(self.list_sessions(user, current))
    }

    fn revoke<'a>(
        &'a self,
        user: &'a str,
        which: Revoked<'a>,
    ) -> BoxFuture<'a, Result<usize, SessionError>> {
        Box::pin(self.revoke_sessions(user, which))
    }
}
