//! Where sessions are kept: the [`SessionStore`] port, and the stores that come with Duck.

mod bounds;
mod cache;
#[cfg(feature = "postgres")]
mod database;
pub(crate) mod directory;
#[cfg(feature = "dynamic-file")]
mod dynamic_file;
mod folder;
mod key;
mod memory;
mod over_cache;
mod page;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod runtimes;
mod session;

use std::future::{Future, ready};
use std::sync::Arc;

use duck::Result;

pub use self::cache::Cache;
#[cfg(feature = "postgres")]
pub use self::database::DatabaseCache;
#[cfg(all(feature = "postgres", feature = "commands"))]
pub(crate) use self::database::SCHEMA;
#[cfg(feature = "dynamic-file")]
pub use self::dynamic_file::{DynamicFileCache, DynamicFileOptions, SqliteFile};
pub use self::folder::KeyAsFolderCache;
pub use self::key::{SessionKey, UserKey};
pub use self::memory::InMemoryCache;
pub(crate) use self::over_cache::OverCache;
pub use self::page::Page;
#[cfg(feature = "redis")]
pub use self::redis::RedisCache;
pub use self::session::{Durability, StoredSession, Version};
pub(crate) use self::session::{OpenSession, Plain};
/// The crate whose pools [`DatabaseCache::from_pool`] takes.
#[cfg(feature = "postgres")]
pub use deadpool_postgres;

/// Keeps sessions. What a session holds is sealed before it comes here; what a store needs to know
/// stands beside it: see [`StoredSession`].
///
/// A store never looks at a clock of its own to hide a session: [`load`](Self::load) gives what is
/// stored, whether its time is over or not, and the engine decides. A store that deletes by its own clock
/// (as Redis does) keeps each session a while longer than [`StoredSession::expires`] says.
///
/// ```
/// use duck_session::store::{
///     Durability, InMemoryCache, SessionKey, SessionStore, StoredSession, Version,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> duck::Result<()> {
/// let store = InMemoryCache::default();
/// let (key, end) = (SessionKey::from_bytes([7; 16]), 4_102_444_800_000);
/// let first = StoredSession::new(key, Version::first(), None, end, "sealed");
/// assert!(store.create(&first, Durability::Crash).await?);
///
/// let second = StoredSession::new(key, first.version().next(), None, end, "changed");
/// assert!(store.replace(first.version(), &second, Durability::Crash).await?);
/// // Whoever knows only the first version comes too late.
/// assert!(!store.replace(first.version(), &second, Durability::Crash).await?);
/// # Ok(())
/// # }
/// ```
///
/// Write the methods as `async fn`. The suite in `duck_session::conformance::store` holds a store to all that
/// is promised here.
pub trait SessionStore: Send + Sync + 'static {
    /// Whether sessions never leave the memory of this process. They are then neither sealed nor encoded,
    /// and their keys are not hashed. Every method has to be ready when it is first polled: one that
    /// waits for a lock of tokio may not be, even if the lock is free.
    const IN_PROCESS: bool = false;

    /// Whether other processes may use the store at the same time: whether `create`, `replace` and
    /// `remove` are one step for all of them.
    const SHARED: bool = false;

    /// Whether the store, when it is full, gives up first the sessions whose cookie never came back: those
    /// whose version counts 0. The engine then writes each session once more when its cookie first comes back.
    const TRACKS_RETURN: bool = false;

    /// The session under a key.
    fn load(&self, key: &SessionKey) -> impl Future<Output = Result<Option<StoredSession>>> + Send;

    /// Stores a session under a key that is free, and returns whether it was: an expired session takes its
    /// key too.
    ///
    /// # Errors
    ///
    /// [`SessionError::Full`](duck::session::SessionError::Full) where the store is at its bound and finds
    /// nothing to give up. A session with a user is stored all the same, as long as there is room at all.
    fn create(
        &self,
        session: &StoredSession,
        durability: Durability,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Replaces the session under the same key if its version still is `expected`, and returns whether it
    /// was. It may have another user than before.
    fn replace(
        &self,
        expected: Version,
        session: &StoredSession,
        durability: Durability,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Removes the session under a key, or only that version of it, and returns whether it did.
    fn remove(
        &self,
        key: &SessionKey,
        expected: Option<Version>,
        durability: Durability,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// The sessions of a user and of nobody else, in no order; `limit` of them where there are more. Each session is there from the moment that
    /// `create` or `replace` gave it this user; one that is expired may be, until it is removed.
    fn of_user(
        &self,
        user: &UserKey,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<StoredSession>>> + Send;

    /// Removes up to `limit` sessions whose end lies before `now` (milliseconds since 1970, UTC), and returns
    /// how many went. A store that deletes by its own clock removes none.
    fn remove_expired(&self, now: u64, limit: usize) -> impl Future<Output = Result<usize>> + Send;

    /// Up to `limit` of the sessions, for whoever looks after a site: `after` is `None` for the first page,
    /// and then the [`next`](Page::next) of the one before. What stays stored from the first page to the
    /// last is on exactly one of them, whatever comes and goes meanwhile. A page may be short, or empty,
    /// without being the last.
    ///
    /// # Errors
    ///
    /// For an `after` that was never one of its `next`s;
    /// [`SessionError::Unsupported`](duck::session::SessionError::Unsupported) where the store cannot list
    /// what it holds.
    fn page(&self, after: Option<&str>, limit: usize) -> impl Future<Output = Result<Page>> + Send;

    /// Removes every session.
    fn clear(&self) -> impl Future<Output = Result<()>> + Send;

    /// Writes what is held back, where the store buffers. Called when the site stops.
    fn flush(&self) -> impl Future<Output = Result<()>> + Send {
        ready(Ok(()))
    }
}

/// A store that several parts of a site share.
impl<S: SessionStore> SessionStore for Arc<S> {
    const IN_PROCESS: bool = S::IN_PROCESS;
    const SHARED: bool = S::SHARED;
    const TRACKS_RETURN: bool = S::TRACKS_RETURN;

    async fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>> {
        S::load(self, key).await
    }

    async fn create(&self, session: &StoredSession, durability: Durability) -> Result<bool> {
        S::create(self, session, durability).await
    }

    async fn replace(
        &self,
        expected: Version,
        session: &StoredSession,
        durability: Durability,
    ) -> Result<bool> {
        S::replace(self, expected, session, durability).await
    }

    async fn remove(
        &self,
        key: &SessionKey,
        expected: Option<Version>,
        durability: Durability,
    ) -> Result<bool> {
        S::remove(self, key, expected, durability).await
    }

    async fn of_user(&self, user: &UserKey, limit: usize) -> Result<Vec<StoredSession>> {
        S::of_user(self, user, limit).await
    }

    async fn remove_expired(&self, now: u64, limit: usize) -> Result<usize> {
        S::remove_expired(self, now, limit).await
    }

    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        S::page(self, after, limit).await
    }

    async fn clear(&self) -> Result<()> {
        S::clear(self).await
    }

    async fn flush(&self) -> Result<()> {
        S::flush(self).await
    }
}
