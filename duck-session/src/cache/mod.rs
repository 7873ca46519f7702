//! Where sessions are kept: the [`Cache`] trait, and the storages that come with Duck.

mod directory;
#[cfg(feature = "dynamic-file")]
mod dynamic_file;
#[cfg(feature = "commands")]
pub(crate) mod files;
mod folder;
mod leftover;
mod memory;
mod page;
mod shared;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use duck::Result;
use duck::session::SessionError;

pub use self::folder::KeyAsFolderCache;
pub use self::memory::InMemoryCache;
pub use self::page::{Listed, Page};

#[cfg(feature = "dynamic-file")]
pub use self::dynamic_file::{DynamicFileCache, DynamicFileOptions};

/// A place that keeps bytes under a key for a while.
///
/// Five methods make a storage of your own: [`set`](Self::set), [`get`](Self::get),
/// [`delete`](Self::delete), [`clear`](Self::clear) and, where there is something to flush,
/// [`save`](Self::save). Write them as `async fn`. Register the type under a name, and
/// `SESSION_STORAGE` takes that name.
///
/// A key is any text and a value any bytes, up to a mebibyte at least. The suite in
/// `duck_session::conformance` holds a cache to all that is promised here.
///
/// With only these five, sessions are safe from lost updates within one process: the engine lets
/// one writer at a time near a key. A storage that several processes share overrides
/// [`compare_and_swap`](Self::compare_and_swap) too and says so with [`ATOMIC`](Self::ATOMIC).
pub trait Cache: Send + Sync + 'static {
    /// Whether [`compare_and_swap`](Self::compare_and_swap) is one step for everyone who shares
    /// the storage. Leave it `false` unless you override that method.
    const ATOMIC: bool = false;

    /// Whether what is stored never leaves the memory of this process. Keys are then not hashed
    /// and values not sealed.
    const IN_PROCESS: bool = false;

    /// Stores `value` under `key`, in place of what was there. After `ttl` the entry is gone;
    /// without one it stays until it is deleted.
    fn set(
        &self,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// The value under `key`, or `None` when there is none or its time is over.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Bytes>>> + Send;

    /// Removes `key`. A key that is not there is no error.
    fn delete(&self, key: &str) -> impl Future<Output = Result<()>> + Send;

    /// Removes every key.
    fn clear(&self) -> impl Future<Output = Result<()>> + Send;

    /// Makes what was written so far durable, where the storage buffers. Called after each
    /// committed write and when the site stops.
    fn save(&self) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Replaces the value under `key` only if it still is `expected` (`None`: only if there is
    /// none, expired counting as none), and says whether it did. `new` is the value to store, or
    /// `None` to remove the key.
    ///
    /// The default reads, compares and writes in three steps, which is right only while nobody
    /// else writes: the engine sees to that within one process.
    fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Entry<'_>>,
    ) -> impl Future<Output = Result<bool>> + Send {
        async move {
            if self.get(key).await?.as_deref() != expected {
                return Ok(false);
            }
            match new {
                Some(entry) => self.set(key, entry.value, entry.ttl).await?,
                None => self.delete(key).await?,
            }
            Ok(true)
        }
    }

    /// Removes up to `limit` entries whose time is over and says how many went. Storages that
    /// forget by themselves need not override it.
    fn remove_expired(&self, limit: usize) -> impl Future<Output = Result<usize>> + Send {
        let _ = limit;
        async { Ok(0) }
    }

    /// Up to `limit` of the entries, for whoever looks after a site: `after` is `None` for the first
    /// page, and then the [`next`](Page::next) of the one before. What stays stored from the first
    /// page to the last is on exactly one of them, whatever comes and goes meanwhile; an entry whose
    /// time is over may be among them while it is still there. A page may be short, or empty,
    /// without being the last.
    ///
    /// The default is an error: without this method sessions work, and the site's `sessions` command
    /// cannot look at them.
    ///
    /// ```
    /// use duck_session::cache::{Cache, InMemoryCache};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> duck::Result<()> {
    /// let cache = InMemoryCache::default();
    /// for key in ["a", "b", "c"] {
    ///     cache.set(key, b"value", None).await?;
    /// }
    /// let (mut keys, mut after) = (Vec::new(), None);
    /// loop {
    ///     let page = cache.page(after.as_deref(), 2).await?;
    ///     keys.extend(page.entries.into_iter().map(|entry| entry.key));
    ///     after = page.next;
    ///     if after.is_none() {
    ///         break;
    ///     }
    /// }
    /// keys.sort();
    /// assert_eq!(keys, ["a", "b", "c"]);
    /// # Ok(())
    /// # }
    /// ```
    fn page(&self, after: Option<&str>, limit: usize) -> impl Future<Output = Result<Page>> + Send {
        let _ = (after, limit);
        let why = "this cache cannot list what it holds: it has no method `page`";
        async move { Err(SessionError::Unsupported(why).into()) }
    }
}

/// What a cache says of an `after` that was never one of its `next`s.
fn wrong_cursor() -> SessionError {
    SessionError::Unsupported("a page begins where another one ended, and nowhere else")
}

/// What [`Cache::compare_and_swap`] stores.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Entry<'a> {
    /// The bytes.
    pub value: &'a [u8],
    /// How long they stay; `None` is for ever.
    pub ttl: Option<Duration>,
    /// Whether the change has to survive a power cut (a login, a logout), not only a crash of the
    /// process.
    pub durable: bool,
}

impl<'a> Entry<'a> {
    /// `value`, kept for ever, as durable as the storage makes any write.
    pub fn new(value: &'a [u8]) -> Self {
        Self {
            value,
            ttl: None,
            durable: false,
        }
    }

    /// The same, kept for `ttl`.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        Self {
            ttl: Some(ttl),
            ..self
        }
    }

    /// The same, to be on disk before the call returns.
    #[must_use]
    pub fn durable(self) -> Self {
        Self {
            durable: true,
            ..self
        }
    }
}
