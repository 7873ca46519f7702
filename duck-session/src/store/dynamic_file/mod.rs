//! [`DynamicFileCache`]: sessions in SQLite files whose number grows with them.

mod cache;
mod connection;
mod count;
mod data;
mod draft;
mod failure;
mod folder;
mod lock;
mod maintenance;
mod names;
mod one_file;
mod options;
mod page;
mod place;
mod request;
mod reserve;
mod room;
mod rows;
mod shard;
mod split;
mod transaction;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use duck::Result;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use self::data::Data;
use self::failure::Failure;
use self::folder::Folder;
pub use self::one_file::SqliteFile;
pub use self::options::DynamicFileOptions;
use self::place::Place;
use self::request::{Asked, Change, Reply};
use self::rows::LOOKS_PER_REMOVAL;
use self::shard::Read;
use self::writer::{Request, Writer};
use super::{Durability, Page, SessionKey, SessionStore, StoredSession, UserKey, Version};
use crate::store::directory::Directory;
use crate::store::page::WRONG_CURSOR;

/// How many writes may wait before those who ask for more have to.
const FILLED: usize = 1024;

/// Between two slices of a sweep, so that other processes come to their turn.
const PAUSE: Duration = Duration::from_millis(1);

/// Keeps sessions in a folder of SQLite databases, the shards, that several processes may share.
///
/// A shard holds the sessions whose keys begin with certain bits (mixed a little), which are in its name: so a
/// read asks one shard, however many there are. The first holds all of them. One that has grown full is
/// replaced by two, with half of its keys each. Because a folder with a million sessions holds a few files, it
/// is quick to start, to copy and to look into: the command line tool `sqlite3` reads a shard while the site
/// runs.
///
/// One thread writes for the whole process. It commits what waits for a shard in one transaction, so that
/// many visitors share the cost of one; a call returns when its change is committed. From then on the change
/// survives a crash of the process, and with [`Durability::PowerCut`] a power cut too. Reads go past the
/// writer and see whatever was committed.
///
/// A site can keep data of its own in it, too: it is a [`Cache`](super::Cache), of a file beside the shards.
///
/// Clones share one store. Dropping the last one waits until what was asked of it is written.
///
/// ```
/// use duck_session::store::{Durability, DynamicFileCache, SessionKey, SessionStore, StoredSession, Version};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> duck::Result<()> {
/// # let parent = tempfile::tempdir()?;
/// # let dir = parent.path().join("sessions");
/// let store = DynamicFileCache::open(&dir).await?;
/// let key = SessionKey::from_bytes([7; 16]);
/// let session = StoredSession::new(key, Version::first(), None, 1_900_000_000_000, "sealed");
/// assert!(store.create(&session, Durability::Crash).await?);
/// assert_eq!(store.load(&key).await?.unwrap().bytes(), "sealed");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DynamicFileCache(Arc<Inner>);

struct Inner {
    folder: Arc<Folder>,
    /// None only while the store is dropped.
    queue: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    data: Arc<Data>,
}

impl DynamicFileCache {
    /// Opens the folder `dir` and makes it where it is missing, readable for this user alone.
    ///
    /// # Errors
    ///
    /// When `dir` is a symlink, belongs to another user or may be written to by others, and when it has no
    /// shard and none can be made in it. A damaged shard is an error when it is used.
    pub async fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::options().open(dir).await
    }

    /// What can be chosen before the folder is opened.
    pub fn options() -> DynamicFileOptions {
        DynamicFileOptions::default()
    }

    fn new(folder: Arc<Folder>, queue: mpsc::Sender<Request>, thread: JoinHandle<()>) -> Self {
        Self(Arc::new(Inner {
            data: Arc::default(),
            folder,
            queue: Some(queue),
            thread: Some(thread),
        }))
    }

    async fn change(&self, change: Change, durability: Durability) -> Result<bool> {
        let request = |reply| {
            Request::Change(Asked {
                change,
                durability,
                reply,
            })
        };
        self.ask(request).await?.into_result()
    }

    /// Has the writer do something, in its turn.
    async fn with_writer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        self.ask(|reply| {
            Request::Work(Box::new(move |writer| {
                // Nobody may have waited: what was done stands.
                let _ = reply.send(work(writer));
            }))
        })
        .await
    }

    /// Queues a request and waits for its answer. Once it is queued it is carried out, whether or not
    /// anybody still waits.
    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T> {
        let stopped = || Failure::new("the thread that writes sessions has stopped");
        let (reply, answer) = oneshot::channel();
        let queue = self.0.queue.as_ref().ok_or_else(stopped)?;
        queue.send(request(reply)).await.map_err(|_| stopped())?;
        Ok(answer.await.map_err(|_| stopped())??)
    }

    /// Does work that may wait for the disk.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let folder = Arc::clone(&self.0.folder);
        Ok(spawn_blocking(move || work(&folder)).await??)
    }
}

impl DynamicFileOptions {
    /// Opens the folder, as [`DynamicFileCache::open`] does.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn open(self, dir: impl AsRef<Path>) -> Result<DynamicFileCache> {
        let dir = dir.as_ref().to_owned();
        tokio::task::spawn_blocking(move || self.open_now(&dir)).await?
    }

    fn open_now(self, dir: &Path) -> Result<DynamicFileCache> {
        // SQLite opens files by path: the folder is held to its rules here, and named in full.
        Directory::open(dir)?;
        let dir: PathBuf = dir.canonicalize()?;
        let folder = Arc::new(Folder::open(dir)?);
        let writer = Writer::new(Arc::clone(&folder), self.shard_bytes, self.bounds);
        let (sender, queue) = tokio::sync::mpsc::channel(FILLED);
        Ok(DynamicFileCache::new(folder, sender, writer.start(queue)?))
    }
}

impl SessionStore for DynamicFileCache {
    const SHARED: bool = true;
    const TRACKS_RETURN: bool = true;

    /// Reads on the thread that asks: it takes microseconds, less than to change threads.
    async fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>> {
        match self.0.folder.load(key)? {
            Read::Found(found) => Ok(Some(found)),
            Read::Nothing => Ok(None),
            Read::Replaced => {
                let key = *key;
                self.read(move |folder| folder.load_after_split(&key)).await
            }
        }
    }

    async fn create(&self, session: &StoredSession, durability: Durability) -> Result<bool> {
        self.change(Change::Create(session.clone()), durability)
            .await
    }

    async fn replace(
        &self,
        expected: Version,
        session: &StoredSession,
        durability: Durability,
    ) -> Result<bool> {
        self.change(Change::Replace(expected, session.clone()), durability)
            .await
    }

    async fn remove(
        &self,
        key: &SessionKey,
        expected: Option<Version>,
        durability: Durability,
    ) -> Result<bool> {
        self.change(Change::Remove(*key, expected), durability)
            .await
    }

    /// Asks each shard, by its index of users. Sessions in a damaged shard are left out: nobody can load
    /// them either.
    async fn of_user(&self, user: &UserKey, limit: usize) -> Result<Vec<StoredSession>> {
        let user = *user;
        self.read(move |folder| folder.of_user(&user, limit)).await
    }

    /// Sweeps in slices, between which others write. What cannot be swept is logged.
    async fn remove_expired(&self, now: u64, limit: usize) -> Result<usize> {
        let (mut removed, mut looks_left) = (0, limit.saturating_mul(LOOKS_PER_REMOVAL));
        let mut from = Some(Place(0));
        while let Some(place) = from
            && removed < limit
            && looks_left > 0
        {
            let wanted = limit - removed;
            let sweep = move |writer: &mut Writer| Ok(writer.sweep(place, now, wanted));
            let slice = self.with_writer(sweep).await?;
            removed += slice.removed;
            looks_left = looks_left.saturating_sub(slice.looked);
            from = slice.next;
            if from.is_some() {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(removed)
    }

    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        let from = match after {
            None => Place(0),
            Some(cursor) => page::parse(cursor).ok_or(WRONG_CURSOR)?,
        };
        self.read(move |folder| folder.page(from, limit)).await
    }

    /// Removes the shards, which gives their room back to the disk, and begins with a new one. Damaged ones
    /// go too.
    async fn clear(&self) -> Result<()> {
        self.with_writer(Writer::clear).await
    }

    /// Copies SQLite's logs into the shards and syncs them.
    async fn flush(&self) -> Result<()> {
        self.with_writer(Writer::flush).await
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
