//! [`DynamicFileCache`]: sessions in SQLite files that grow to a size and go when they are empty.

#[cfg(feature = "commands")]
mod check;
mod connection;
mod digest;
mod entries;
mod expiry;
mod failure;
mod folder;
mod group;
mod lane;
mod lock;
mod operation;
mod page;
mod reserve;
mod shard;
mod sweep;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use duck::Result;
use tokio::sync::{mpsc, oneshot};

use self::failure::Failure;
use self::folder::Folder;
use self::operation::{Change, Reply, Request, Task};
use self::page::Cursor;
use self::sweep::Sweep;
use self::writer::Writer;
use super::directory::Directory;
use super::{Cache, Entry, Page, wrong_cursor};
use crate::clock::Clock;

/// How large a shard grows where nothing else is said: 4 GiB, which is about three million sessions of
/// one kilobyte. A read asks one shard after the other, so there should be few.
const SHARD_BYTES: u64 = 4 << 30;

/// How many writes may wait before those who ask for more have to.
const QUEUE: usize = 1024;

/// The log is copied into the shards at most this often at the caller's wish.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps entries in a folder of SQLite databases, the shards, that several processes may share.
///
/// A new key goes into the newest shard that has room, else into a new one; it stays in its shard
/// until it is deleted. An old shard is removed when nothing is left in it. Because a folder with a
/// million sessions holds a few files, it is quick to start, to copy and to look into: the command
/// line tool `sqlite3` reads a shard while the site runs.
///
/// One thread writes for the whole process. It commits all that waits in one transaction, so that
/// many visitors share the cost of one; a call returns when its change is committed. From then on
/// the change survives a crash of the process. It survives a power cut too if it is a removal or
/// an [`Entry::durable`], or once the next of those is committed. Reads go past the writer and see
/// whatever was committed.
///
/// Clones share one cache. Dropping the last one waits until what was asked of it is written.
///
/// ```
/// use duck_session::cache::{Cache, DynamicFileCache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> duck::Result<()> {
/// # let parent = tempfile::tempdir()?;
/// # let dir = parent.path().join("sessions");
/// let cache = DynamicFileCache::open(&dir)?;
/// cache.set("colour", b"green", None).await?;
/// assert_eq!(cache.get("colour").await?.as_deref(), Some(&b"green"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DynamicFileCache(Arc<Inner>);

struct Inner {
    folder: Arc<Folder>,
    /// None only while the cache is dropped.
    queue: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    saved: Mutex<Option<Instant>>,
    clock: Clock,
}

impl DynamicFileCache {
    /// Opens the folder `dir` and makes it where it is missing, readable for this user alone.
    ///
    /// # Errors
    ///
    /// When `dir` is a symlink, belongs to another user or may be written to by others, and when
    /// the shards in it can't be opened.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::options().open(dir)
    }

    /// What can be chosen before the folder is opened.
    pub fn options() -> DynamicFileOptions {
        DynamicFileOptions {
            shard_bytes: SHARD_BYTES,
            clock: Clock::default(),
        }
    }

    fn start(dir: PathBuf, options: DynamicFileOptions) -> Result<Self> {
        let DynamicFileOptions { shard_bytes, clock } = options;
        let folder = Arc::new(Folder::new(dir));
        let writer = Writer::open(Arc::clone(&folder), shard_bytes, clock.clone())?;
        let (sender, queue) = mpsc::channel(QUEUE);
        let thread = writer.start(queue)?;
        Ok(Self(Arc::new(Inner {
            folder,
            queue: Some(sender),
            thread: Some(thread),
            saved: Mutex::new(None),
            clock,
        })))
    }

    async fn change(&self, change: Change) -> Result<bool> {
        let changed = self.ask(|reply| Request::Change(change, reply)).await?;
        Ok(changed > 0)
    }

    async fn carry_out(&self, task: Task) -> Result<usize> {
        self.ask(|reply| Request::Task(task, reply)).await
    }

    /// Queues a request and waits for its answer. Once it is queued it is carried out, whether or
    /// not anybody still waits.
    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T> {
        let stopped = || Failure::new("the thread that writes sessions has stopped");
        let (reply, answer) = oneshot::channel();
        let queue = self.0.queue.as_ref().ok_or_else(stopped)?;
        queue.send(request(reply)).await.map_err(|_| stopped())?;
        Ok(answer.await.map_err(|_| stopped())??)
    }

    /// Has an entry removed that was seen expired: left there it would come back when the clock is
    /// set back. Nobody waits for it; with the queue full it is left to the next who looks.
    fn forget(&self, key: &str, now: expiry::Instant) {
        if let Some(queue) = &self.0.queue {
            let (reply, _) = oneshot::channel();
            let _ = queue.try_send(Request::Change(Change::forget(key, now), reply));
        }
    }

    fn now(&self) -> expiry::Instant {
        expiry::now(&self.0.clock)
    }

    /// Whether it is time to copy the log into the shards; if so, it is not for a while.
    fn should_save(&self) -> bool {
        let mut saved = self.0.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let due = saved.is_none_or(|at| at.elapsed() >= SAVE_INTERVAL);
        if due {
            *saved = Some(Instant::now());
        }
        due
    }
}

/// Options of a [`DynamicFileCache`]; [`DynamicFileCache::options`] gives the usual ones.
#[derive(Debug, Clone)]
pub struct DynamicFileOptions {
    shard_bytes: u64,
    clock: Clock,
}

impl DynamicFileOptions {
    /// How large a shard may grow before new keys go elsewhere; 4 GiB where nothing is said. A
    /// shard may exceed it by what is added to the entries it holds.
    ///
    /// ```
    /// use duck_session::cache::DynamicFileCache;
    ///
    /// # fn main() -> duck::Result<()> {
    /// # let parent = tempfile::tempdir()?;
    /// # let dir = parent.path().join("sessions");
    /// let cache = DynamicFileCache::options().shard_bytes(64 << 20).open(&dir)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn shard_bytes(self, shard_bytes: u64) -> Self {
        Self {
            shard_bytes,
            ..self
        }
    }

    /// Opens the folder, as [`DynamicFileCache::open`] does.
    pub fn open(self, dir: impl AsRef<Path>) -> Result<DynamicFileCache> {
        // SQLite opens files by path: the folder is held to its rules here, and named in full.
        Directory::open(dir.as_ref())?;
        DynamicFileCache::start(dir.as_ref().canonicalize()?, self)
    }
}

impl Cache for DynamicFileCache {
    const ATOMIC: bool = true;

    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        self.change(Change::set(key, value, ttl, self.now()))
            .await?;
        Ok(())
    }

    /// Reads on the thread that asks: it takes microseconds, less than to change threads.
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let (found, now) = (self.0.folder.read(key)?, self.now());
        if found.as_ref().is_some_and(|found| found.expires <= now) {
            self.forget(key, now);
            return Ok(None);
        }
        Ok(found.map(|found| found.value))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.change(Change::delete(key, self.now())).await?;
        Ok(())
    }

    async fn clear(&self) -> Result<()> {
        self.carry_out(Task::Clear).await?;
        Ok(())
    }

    /// Copies SQLite's log into the shards and syncs them, at most once a second: what is
    /// committed is safe in the log, so that it may be called after each write.
    async fn save(&self) -> Result<()> {
        if self.should_save() {
            self.carry_out(Task::Checkpoint).await?;
        }
        Ok(())
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Entry<'_>>,
    ) -> Result<bool> {
        self.change(Change::swap(key, expected, new, self.now()))
            .await
    }

    /// Sweeps in slices, between which others write.
    async fn remove_expired(&self, limit: usize) -> Result<usize> {
        let mut sweep = Sweep::new(limit);
        while let Some(wanted) = sweep.wanted() {
            sweep.add(self.ask(|reply| Request::Sweep(wanted, reply)).await?);
            sweep.pause().await;
        }
        Ok(sweep.end()?)
    }

    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        let after = after
            .map(|cursor| Cursor::parse(cursor).ok_or_else(wrong_cursor))
            .transpose()?;
        let (folder, now) = (Arc::clone(&self.0.folder), self.now());
        let page = tokio::task::spawn_blocking(move || folder.page(after, limit, now));
        Ok(page.await??)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // The thread does not panic, and there is nobody to tell.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for DynamicFileCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicFileCache")
            .field("folder", &self.0.folder.path())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
