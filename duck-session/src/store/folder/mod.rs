//! [`KeyAsFolderCache`]: a folder for each session, with one file in it.

mod cache;
mod name;
mod page;
mod record;
mod room;
mod slot;
mod store;
mod sweep;
mod users;
mod values;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use duck::Result;
use duck::session::SessionError;

use self::name::Name;
use self::record::Wait;
use self::store::{Created, Store};
use self::values::Values;
use super::{Durability, Page, SessionKey, SessionStore, StoredSession, UserKey, Version};
use crate::store::page::WRONG_CURSOR;

/// The folder of all sessions, and of their format.
const FORMAT: &str = "v2";

/// An operation that took longer than this found a slow disk, and the next ones are done elsewhere for a while.
const SLOW: Duration = Duration::from_millis(20);
const WHILE: Duration = Duration::from_secs(1);

/// Keeps each session in a folder of its own: plain files that several processes share and that outlive a
/// restart. The default storage.
///
/// ```
/// use duck_session::store::{
///     Durability, KeyAsFolderCache, SessionKey, SessionStore, StoredSession, Version,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> duck::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// # let dir = temp.path().join("sessions");
/// let store = KeyAsFolderCache::open(&dir).await?.max_sessions(100_000);
/// let key = SessionKey::from_bytes([7; 16]);
/// let session = StoredSession::new(key, Version::first(), None, 1_900_000_000_000, "sealed");
/// assert!(store.create(&session, Durability::Crash).await?);
///
/// let same = KeyAsFolderCache::open(&dir).await?; // in another process, say
/// assert_eq!(same.load(&key).await?.unwrap().bytes(), "sealed");
/// # Ok(())
/// # }
/// ```
///
/// A session's file has three slots. A save writes one of them in place: one that holds neither the session as
/// it is nor as a power cut would leave it. So whoever reads finds the one or the other state, also when the
/// writer is killed; a full disk keeps nobody from saving, since no space is needed; and after a power cut at
/// least the last state is there that was written with [`Durability::PowerCut`]. What is assumed of the disk is
/// what SQLite assumes: that writing a sector damages none beside it.
///
/// Writers of one session take turns, across processes, under an advisory lock of its file. The file system
/// has to have such locks, and `open` says so where it has not.
///
/// A file that holds no readable session counts as absent and is left alone until its key is created again or
/// removed. Something that is no file in its place (a link, a FIFO, a directory) is an error and never followed.
///
/// # Bounds
///
/// At [`max_sessions`](Self::max_sessions) or [`min_free`](Self::min_free), each new session makes another one
/// give way: first those without a user that were never written again, whose cookie may never have come back, then
/// others without a user; of each kind the one that was written longest ago, of some eight thousand that are
/// looked at. Sessions with a user stay. Where nothing can go, a session without a user is refused with
/// [`SessionError::Full`], and one with a user is stored as long as there is space at all.
///
/// The number is exact while one process writes. Of what others create and remove at the same time, each process
/// learns as its own sessions come into the same of 256 buckets, and on file systems that do not count the links
/// of folders (btrfs) at each sweep. So with several processes a few hundred sessions more may be stored.
///
/// # Other data
///
/// As a [`Cache`](super::Cache) it keeps a site's own data in a folder beside the sessions, without these bounds.
#[derive(Debug, Clone)]
pub struct KeyAsFolderCache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    values: Values,
    /// Since when the disk has been slow.
    slow: Mutex<Option<Instant>>,
}

impl KeyAsFolderCache {
    /// Opens the directory, which is made, readable to this user alone, where there is none.
    ///
    /// # Errors
    ///
    /// It is a symbolic link, belongs to another user or may be written by others, its file system has no locks,
    /// or it cannot be made or opened. The message says which, and what would be right.
    pub async fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir: PathBuf = dir.as_ref().to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            io::Result::Ok(Inner {
                store: Store::open(&dir, FORMAT)?,
                values: Values::new(dir),
                slow: Mutex::default(),
            })
        });
        Ok(Self(Arc::new(opened.await??)))
    }

    /// How many sessions are kept, a million by default; `usize::MAX` is no bound. See [Bounds](Self#bounds).
    ///
    /// Call it before the cache is cloned: afterwards it changes nothing.
    #[must_use]
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.store.room.bounds.max_sessions = match sessions {
                usize::MAX => u64::MAX,
                sessions => sessions as u64,
            };
        }
        self
    }

    /// How much of the file system is left free, in percent of its bytes and of its inodes: 5 by default; 0 is no
    /// bound. See [Bounds](Self#bounds).
    ///
    /// Call it before the cache is cloned: afterwards it changes nothing.
    #[must_use]
    pub fn min_free(mut self, percent: u8) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.store.room.bounds.min_free = percent;
        }
        self
    }

    /// Does the file work of one operation here and now: from and to the page cache that takes less than handing
    /// it to another thread. If others have to be waited for, or the disk is slow, it is handed over all the same.
    async fn quick<T: Send + 'static>(
        &self,
        work: impl Fn(&Inner, Wait) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        if !self.0.is_slow() {
            let started = Instant::now();
            let done = work(&self.0, Wait::No);
            self.0.note(started.elapsed());
            match done {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return Ok(done?),
            }
        }
        self.blocking(move |inner| work(inner, Wait::Yes)).await
    }

    /// Does all the file work of one operation in one go, away from the threads that serve requests. It goes on to
    /// its end when the caller is gone.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = self.0.clone();
        Ok(tokio::task::spawn_blocking(move || work(&inner)).await??)
    }

    /// What has to reach the disk is waited for elsewhere.
    async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl Fn(&Inner, bool, Wait) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        match durability {
            Durability::Crash => {
                self.quick(move |inner, wait| work(inner, false, wait))
                    .await
            }
            Durability::PowerCut => {
                self.blocking(move |inner| work(inner, true, Wait::Yes))
                    .await
            }
        }
    }
}

impl Inner {
    fn is_slow(&self) -> bool {
        let slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        slow.is_some_and(|since| since.elapsed() < WHILE)
    }

    fn note(&self, took: Duration) {
        if took > SLOW {
            *self.slow.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }
}

impl SessionStore for KeyAsFolderCache {
    const SHARED: bool = true;
    const TRACKS_RETURN: bool = true;

    async fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>> {
        let key = *key;
        self.quick(move |inner, wait| inner.store.load(&key, wait))
            .await
    }

    async fn create(&self, session: &StoredSession, durability: Durability) -> Result<bool> {
        let session = session.clone();
        let created = self.write(durability, move |inner, durable, wait| {
            inner.store.create(&session, durable, wait)
        });
        match created.await? {
            Created::Yes => Ok(true),
            Created::Taken => Ok(false),
            Created::Full => Err(SessionError::Full.into()),
        }
    }

    async fn replace(
        &self,
        expected: Version,
        session: &StoredSession,
        durability: Durability,
    ) -> Result<bool> {
        let session = session.clone();
        self.write(durability, move |inner, durable, wait| {
            inner.store.replace(expected, &session, durable, wait)
        })
        .await
    }

    async fn remove(
        &self,
        key: &SessionKey,
        expected: Option<Version>,
        durability: Durability,
    ) -> Result<bool> {
        let (key, durable) = (*key, durability == Durability::PowerCut);
        self.blocking(move |inner| inner.store.remove(&key, expected, durable))
            .await
    }

    async fn of_user(&self, user: &UserKey, limit: usize) -> Result<Vec<StoredSession>> {
        let user = user.to_hex();
        self.blocking(move |inner| inner.store.of_user(&user, limit))
            .await
    }

    async fn remove_expired(&self, now: u64, limit: usize) -> Result<usize> {
        self.blocking(move |inner| {
            let removed = inner.store.remove_expired(now, limit)?;
            Ok(removed
                + inner
                    .values
                    .remove_expired(now, limit - removed.min(limit))?)
        })
        .await
    }

    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        let after = match after {
            Some(after) => Some(Name::parse(after).ok_or(WRONG_CURSOR)?),
            None => None,
        };
        self.blocking(move |inner| inner.store.page(after, limit))
            .await
    }

    async fn clear(&self) -> Result<()> {
        self.blocking(|inner| inner.store.clear()).await
    }
}
