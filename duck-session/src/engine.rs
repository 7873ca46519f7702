//! The built-in engine: sessions over a [`Cache`], with compare-and-swap and merge by key.

#[cfg(feature = "commands")]
pub(crate) mod administration;
mod alive;
pub(crate) mod breaker;
pub(crate) mod create_rate;
mod end;
mod hold;
mod line;
mod load;
mod renew;
mod save;
#[cfg(feature = "commands")]
pub(crate) mod stored;
mod tombstone;
mod users;

use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use duck::session::{
    Changes, Commit, CookieValue, Identity, Loaded, NewCookie, Record, Revoked, SessionData,
    SessionEngine, SessionError, SessionId, SessionPolicy, UserSession, Visitor,
};
use duck::settings::SecretKey;
use duck::{BoxFuture, Result};
use futures_util::TryFutureExt;
use futures_util::future::Either;
use tokio::time::{Instant, timeout};

use self::breaker::{Breaker, store_error};
use self::create_rate::CreateRate;
use self::hold::Holds;
use self::tombstone::Tombstone;
use crate::bonds::Bonds;
use crate::cache::{Cache, Entry};
use crate::clock::{self, Clock};
use crate::cookie::{self, SessionCookie};
use crate::header::{Header, Kind};
use crate::journal;
use crate::lifetime::Lifetimes;
use crate::locks::KeyedLocks;
use crate::opening::Opening;
use crate::seal::{Handle, Sealer};
use crate::settings::{Conflict, Fsync, OnLimit, OnStoreError, SessionSettings};

/// Keeps sessions in a cache.
pub(crate) struct CacheEngine<C> {
    cache: Arc<C>,
    /// Where users' lists are. In memory that is a cache of its own: they are not to take the room of
    /// sessions.
    lists: Arc<C>,
    cookie: SessionCookie,
    sealer: Sealer,
    lifetimes: Lifetimes,
    clock: Clock,
    locks: KeyedLocks,
    list_locks: KeyedLocks,
    holds: Holds<C>,
    conflict: Conflict,
    bonds: Bonds,
    breaker: Breaker,
    create_rate: CreateRate,
    most_per_user: Option<usize>,
    on_limit: OnLimit,
    store_timeout: Duration,
    on_store_error: OnStoreError,
    fsync: Fsync,
    sweep_batch: usize,
}

impl<C: Cache> CacheEngine<C> {
    pub(crate) fn new(
        open: impl Fn(&SessionSettings) -> Result<C>,
        opening: &Opening<'_>,
    ) -> Result<Self> {
        let (own, settings) = (opening.own, opening.settings);
        let sealer = if C::IN_PROCESS {
            Sealer::Open
        } else {
            Sealer::sealed(&SecretKey::from_settings(settings)?, own.session_encrypt)?
        };
        if !C::ATOMIC {
            tracing::info!(
                target: "duck_session",
                "this cache has no compare_and_swap of its own: parallel writes are safe within one process only"
            );
        }
        let cache = Arc::new(open(own)?);
        let lists = if C::IN_PROCESS {
            Arc::new(open(own)?)
        } else {
            Arc::clone(&cache)
        };
        Ok(Self {
            cookie: SessionCookie::new(own),
            sealer,
            lifetimes: Lifetimes::new(own),
            clock: opening.clock.clone(),
            locks: KeyedLocks::new(),
            list_locks: KeyedLocks::new(),
            holds: Holds::new(Arc::clone(&cache), own.session_lock_timeout.0),
            conflict: own.session_conflict,
            bonds: Bonds::new(opening),
            breaker: Breaker::new(),
            create_rate: CreateRate::new(own.session_create_rate),
            most_per_user: own.session_max_sessions_per_user,
            on_limit: own.session_on_limit,
            store_timeout: own.session_store_timeout.0,
            on_store_error: own.session_on_store_error,
            fsync: own.session_fsync,
            sweep_batch: own.session_sweep_batch,
            cache,
            lists,
        })
    }

    /// Removes some expired sessions and says how many.
    pub(crate) async fn sweep(&self) -> Result<usize> {
        if C::IN_PROCESS {
            self.lists.remove_expired(self.sweep_batch).await?;
        }
        self.cache.remove_expired(self.sweep_batch).await
    }

    pub(crate) async fn save_cache(&self) -> Result<()> {
        self.cache.save().await
    }

    /// Whether changes leave a session where it is, alive.
    fn is_plain(&self, old: &Record, changes: &Changes, data: &SessionData) -> bool {
        changes.identity == Identity::Keep
            && !self.lifetimes.is_over(data, &self.clock)
            && !self.is_renewal_due(old)
    }

    fn is_renewal_due(&self, record: &Record) -> bool {
        self.lifetimes.renews()
            && Header::read(&record.bytes)
                .is_some_and(|header| self.lifetimes.is_renewal_due(&header, self.clock.now()))
    }

    /// Waits for the storage, but not for ever, and not while it keeps failing.
    fn within<T>(
        &self,
        tells: Tells,
        operation: impl Future<Output = Result<T>> + Send,
    ) -> impl Future<Output = Result<T, SessionError>> + Send {
        // What is in memory answers at once or never: no timer is needed.
        if C::IN_PROCESS {
            return Either::Left(operation.map_err(store_error));
        }
        // Boxed, so that what waits for memory is not as large as what waits for a disk.
        let timed = timeout(self.store_timeout, operation);
        Either::Right(Box::pin(async move {
            if !self.breaker.lets_pass() {
                return Err(SessionError::store("the session storage keeps failing"));
            }
            let start = Instant::now();
            let timed = timed.await;
            let took_too_long = timed.is_err();
            let answer = match timed {
                Ok(answer) => answer.map_err(store_error),
                Err(_) => Err(SessionError::store("SESSION_STORE_TIMEOUT is over")),
            };
            let failed = matches!(answer, Err(SessionError::Store(_)));
            journal::answered(start.elapsed(), failed);
            match (failed, tells) {
                (false, _) => self.breaker.succeeded(),
                (true, Tells::Much) => self.breaker.failed(),
                (true, Tells::Little) if took_too_long => self.breaker.failed(),
                (true, Tells::Little) => {}
            }
            answer
        }))
    }

    fn fetch<'a>(
        &'a self,
        handle: &'a Handle,
    ) -> impl Future<Output = Result<Option<Bytes>, SessionError>> + Send + 'a {
        self.within(Tells::Much, self.cache.get(handle.as_str()))
    }

    /// A record as the cache takes it.
    fn entry<'a>(
        &self,
        record: &'a Bytes,
        header: &Header,
        identity: Identity,
        now: u64,
    ) -> Entry<'a> {
        let durable = match self.fsync {
            Fsync::None => false,
            Fsync::Security => identity != Identity::Keep,
            Fsync::All => true,
        };
        header.entry(record, now, durable)
    }

    /// Stores a record if what is there still is what was seen.
    fn swap<'a>(
        &'a self,
        handle: &'a Handle,
        expected: Option<&'a [u8]>,
        new: Entry<'a>,
    ) -> impl Future<Output = Result<bool, SessionError>> + Send + 'a {
        self.within(
            Tells::Little,
            exchange(&*self.cache, handle, expected, Some(new)),
        )
    }

    /// Removes a record if it still is what was seen.
    fn swap_out<'a>(
        &'a self,
        handle: &'a Handle,
        seen: &'a Bytes,
    ) -> impl Future<Output = Result<bool, SessionError>> + Send + 'a {
        self.within(
            Tells::Little,
            exchange(&*self.cache, handle, Some(seen), None),
        )
    }

    async fn delete(&self, handle: &Handle) -> Result<(), SessionError> {
        self.within(Tells::Little, async {
            self.cache.delete(handle.as_str()).await?;
            self.cache.save().await
        })
        .await
    }

    /// What a record holds, if it is ours, alive and as we sealed it.
    fn open(&self, handle: &Handle, record: &Bytes) -> Opened {
        let Some(header) = Header::read(record) else {
            return Opened::Unreadable;
        };
        // What is not ours is not dead either, whatever its header says of an end: rule 13.
        let Some(data) = self.sealer.open(handle.as_bytes(), &header, record) else {
            return Opened::Unreadable;
        };
        let is_over = self.lifetimes.end(&header) <= self.clock.now();
        match header.kind {
            Kind::List => Opened::Unreadable,
            Kind::Live | Kind::Moved if is_over => Opened::Dead,
            Kind::Live => Opened::Live(header, data),
            Kind::Moved => Opened::Moved(Tombstone::read(&data)),
        }
    }

    fn seal(
        &self,
        handle: &Handle,
        header: &mut Header,
        data: &SessionData,
    ) -> Result<Bytes, SessionError> {
        if data.json_len() > self.lifetimes.policy.max_bytes {
            return Err(SessionError::TooLarge(format!(
                "it has {} bytes, and SESSION_MAX_BYTES is {}",
                data.json_len(),
                self.lifetimes.policy.max_bytes
            )));
        }
        self.sealer.seal(handle.as_bytes(), header, data)
    }
}

async fn exchange<C: Cache>(
    cache: &C,
    handle: &Handle,
    expected: Option<&[u8]>,
    new: Option<Entry<'_>>,
) -> Result<bool> {
    let swap = cache.compare_and_swap(handle.as_str(), expected, new);
    let swapped = swap.await?;
    if swapped {
        cache.save().await?;
    }
    Ok(swapped)
}

/// What a failure tells of the whole storage.
#[derive(Clone, Copy)]
enum Tells {
    /// Who cannot read can do nothing.
    Much,
    /// A write may fail where reading goes on, on a full disk: nobody is to be kept from that, nor
    /// from logging out. But one that takes too long is as bad as a read that does.
    Little,
}

/// What became of looking into a record.
enum Opened {
    Live(Header, SessionData),
    /// The session got another id, and is kept there now.
    Moved(Tombstone),
    /// Its time is over.
    Dead,
    /// Sealed with a key we do not have, damaged, or of a format we do not know. It is left where it
    /// is: a wrong key in one deployment must not destroy what the right one can read.
    Unreadable,
}

fn record(id: SessionId, bytes: Bytes, header: &Header) -> Record {
    Record::new(Some(id), bytes, clock::time(header.expires))
}

fn new_cookie(id: SessionId, header: &Header, now: u64) -> NewCookie {
    NewCookie::new(
        CookieValue::Id(id),
        cookie::max_age(header.expires, now, header.persistent),
    )
}

impl<C: Cache> SessionEngine for CacheEngine<C> {
    fn policy(&self) -> &SessionPolicy {
        &self.lifetimes.policy
    }

    fn now(&self) -> SystemTime {
        clock::time(self.clock.now())
    }

    fn load<'a>(&'a self, visitor: &'a Visitor) -> BoxFuture<'a, Result<Loaded, SessionError>> {
        Box::pin(async move {
            match (self.find(visitor).await, self.on_store_error) {
                (Err(error), OnStoreError::Open) => {
                    tracing::error!(target: "duck_session", %error, "serving an empty session");
                    Ok(Loaded::unavailable())
                }
                (found, _) => found,
            }
        })
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
        if self.is_renewal_due(record) {
            let record = record.clone();
            return Some(Box::pin(
                async move { Ok(self.renew_visited(&record).await) },
            ));
        }
        let header = Header::read(&record.bytes)?;
        if !self.lifetimes.is_touch_due(&header, self.clock.now()) {
            return None;
        }
        let record = record.clone();
        Some(Box::pin(async move { Ok(self.prolong(&record).await) }))
    }

    fn commit(
        self: Arc<Self>,
        visitor: &Visitor,
        mut changes: Changes,
    ) -> BoxFuture<'static, Result<Commit, SessionError>> {
        let data = match self.data(&mut changes) {
            Ok(data) => data,
            Err(error) => return Box::pin(ready(Err(error))),
        };
        // What most requests do has a future of its own: the smaller it is, the less is moved about.
        match changes.record.take() {
            Some(old) if self.is_plain(&old, &changes, &data) => match self.version(&old, data) {
                Ok(mut version) => Box::pin(async move { self.save(&mut version, &changes).await }),
                Err(error) => Box::pin(ready(Err(error))),
            },
            Some(old) => {
                let visitor = visitor.clone();
                Box::pin(async move { self.write(&old, data, &changes, &visitor).await })
            }
            None => {
                let visitor = visitor.clone();
                Box::pin(async move { self.begin(data, changes.identity, &visitor).await })
            }
        }
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
