use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use duck::settings::SettingsError;
use duck::{Result, Settings};
use rusqlite::Connection;
use rustix::fs::{FlockOperation, flock};
use tokio::task::spawn_blocking;

use super::count::Count;
use super::draft::{self, Draft};
use super::failure::Failure;
use super::page::{after, cursor, parse};
use super::place::{Place, Prefix};
use super::request::{Answer, Change};
use super::rows::{self, BATCH, Fate, LOOKS_PER_REMOVAL};
use super::shard::{FileId, Read, Shard};
use super::transaction::{Aborted, ShardWriter};
use crate::settings::{DatabaseUrl, SessionSettings};
use crate::store::bounds::{Bounds, Rank};
use crate::store::page::WRONG_CURSOR;
use crate::store::{Durability, Page, SessionKey, SessionStore, StoredSession, UserKey, Version};

/// Sessions that a sweep looks at in one transaction: others write in between.
const SWEPT: usize = 32;

/// Keeps sessions in one SQLite file, which several processes of one machine may share: `SESSION_STORAGE =
/// "DatabaseCache"` with `SESSION_DATABASE_URL = "sqlite:sessions.db"`.
///
/// It is a shard of [`DynamicFileCache`](super::DynamicFileCache) that is never split. That one is faster where many
/// write at once: here each write is a transaction of its own.
///
/// ```
/// use duck_session::store::{Durability, SessionKey, SessionStore, SqliteFile, StoredSession, Version};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> duck::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("sessions.db");
/// let store = SqliteFile::open(&file).await?;
/// let key = SessionKey::from_bytes([7; 16]);
/// let session = StoredSession::new(key, Version::first(), None, 1_900_000_000_000, "sealed");
/// assert!(store.create(&session, Durability::Crash).await?);
/// assert_eq!(store.load(&key).await?.unwrap().bytes(), "sealed");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// Opened again where the file was removed or replaced.
    shard: Mutex<Arc<Shard>>,
    writer: Mutex<Writer>,
}

struct Writer {
    /// The connection, and the file that it is one to.
    open: Option<(Arc<Shard>, ShardWriter)>,
    bounds: Bounds,
    count: Count,
}

impl SqliteFile {
    /// Opens the file, and makes it where it is missing, readable for this user alone.
    ///
    /// # Errors
    ///
    /// When its folder is not there, or it is a file of something else.
    pub async fn open(file: impl AsRef<Path>) -> Result<Self> {
        let path = file.as_ref().to_owned();
        Self::with(path, Bounds::default()).await
    }

    async fn with(path: PathBuf, bounds: Bounds) -> Result<Self> {
        let opened = spawn_blocking(move || Inner::open(path, bounds)).await?;
        Ok(Self(Arc::new(opened?)))
    }

    /// The store of a site.
    pub(crate) async fn start(own: &SessionSettings, settings: &Settings) -> Result<Self> {
        let key = "SESSION_DATABASE_URL";
        let refused = |why: &str| -> SettingsError { settings.error(key, why) };
        let url = own.session_database_url.as_ref();
        let file = url.and_then(DatabaseUrl::sqlite_file);
        let right = "takes the file of an SQLite database: \"sqlite:sessions.db\"";
        let file = file.ok_or_else(|| refused(right))?;
        let bounds = Bounds {
            max_sessions: own.session_max_sessions as u64,
            min_free: own.session_min_free,
        };
        let opened = Self::with(PathBuf::from(file), bounds).await;
        opened.map_err(|error| refused(&error.chain()).into())
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.0);
        Ok(spawn_blocking(move || work(&inner)).await??)
    }

    async fn change(&self, change: Change, durability: Durability) -> Result<bool> {
        let changing = self.run(move |inner| inner.change(&change, durability));
        changing.await?.into_result()
    }
}

impl Inner {
    fn open(path: PathBuf, bounds: Bounds) -> Result<Self, Failure> {
        let shard = open_or_make(&path)?;
        shard.with_reader(rows::probe)?;
        Ok(Self {
            path,
            shard: Mutex::new(shard),
            writer: Mutex::new(Writer {
                open: None,
                bounds,
                count: Count::default(),
            }),
        })
    }

    fn shard(&self) -> MutexGuard<'_, Arc<Shard>> {
        self.shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `work` reads, from the file that has the name by now.
    fn read<T>(
        &self,
        mut work: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let shard = Arc::clone(&self.shard());
        match shard.read(|connection| work(connection).map(Some))? {
            Read::Found(found) if shard.is_current() => Ok(found),
            _ => self.reopened()?.with_reader(work),
        }
    }

    /// The file that has the name by now; an empty one where it is gone.
    fn reopened(&self) -> Result<Arc<Shard>, Failure> {
        let mut shard = self.shard();
        if !shard.is_current() {
            *shard = open_or_make(&self.path)?;
        }
        Ok(Arc::clone(&shard))
    }

    /// Writes in one transaction.
    fn write<T>(
        &self,
        durability: Durability,
        work: impl Fn(&Connection, &Bounds, &mut Count) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..2 {
            let shard = self.reopened()?;
            match writer.write(&shard, durability, &work) {
                Err(Aborted::Replaced) => {}
                Err(Aborted::Failed(failure)) => return Err(failure),
                Ok(done) => return Ok(done),
            }
        }
        let path = self.path.display();
        Err(Failure::new(format!("{path} is replaced again and again")))
    }

    fn change(&self, change: &Change, durability: Durability) -> Result<Answer, Failure> {
        let folder = self.path.parent().unwrap_or(&self.path);
        self.write(durability, |connection, bounds, count| {
            let mut room = match change.created() {
                Some(_) => room(connection, bounds, count, folder)?,
                None => 0,
            };
            let answer = change.make(connection, &mut room)?;
            count.note(change, answer);
            Ok(answer)
        })
    }

    fn sweep(&self, now: u64, most: usize) -> Result<usize, Failure> {
        let (mut removed, mut looked) = (0, 0);
        while removed < most && looked < most.saturating_mul(LOOKS_PER_REMOVAL) {
            let step = SWEPT.min(most - removed);
            let swept = self.write(Durability::Crash, |connection, _, count| {
                let swept = rows::sweep(connection, now, step)?;
                count.removed(swept.removed);
                Ok(swept)
            })?;
            removed += swept.removed;
            looked += swept.removed + swept.postponed;
            if swept.removed + swept.postponed < step {
                break;
            }
        }
        Ok(removed)
    }
}

impl Writer {
    fn write<T>(
        &mut self,
        shard: &Arc<Shard>,
        durability: Durability,
        work: impl Fn(&Connection, &Bounds, &mut Count) -> rusqlite::Result<T>,
    ) -> Result<T, Aborted> {
        let open = self.open.take();
        let mut writer = match open.filter(|(of, _)| Arc::ptr_eq(of, shard)) {
            Some((_, writer)) => writer,
            None => ShardWriter::open(shard)?,
        };
        let (bounds, count) = (&self.bounds, &mut self.count);
        let done = writer.transaction(shard, durability, |connection| {
            let done = work(connection, bounds, count);
            Ok(done.map_err(Failure::at(shard.path(), "written"))?)
        });
        // What was counted did not happen.
        let done = done.inspect_err(|_| self.count.forget())?;
        // After an error the next one has a connection of its own, in case the trouble was with this one.
        self.open = Some((Arc::clone(shard), writer));
        Ok(done)
    }
}

/// How many sessions without a user there is room for, after others have given way where there was none.
fn room(
    connection: &Connection,
    bounds: &Bounds,
    count: &mut Count,
    folder: &Path,
) -> rusqlite::Result<u64> {
    let free = count.free(bounds.max_sessions, || rows::count(connection))?;
    if free > 0 && !bounds.is_disk_low(folder) {
        return Ok(1);
    }
    for rank in [Rank::Unconfirmed, Rank::Anonymous] {
        let evicted = rows::evict(connection, rank, BATCH)?;
        count.removed(evicted);
        if evicted > 0 {
            return Ok(1);
        }
    }
    Ok(0)
}

/// The file, which is made where it is missing. Of processes that make it at once, one does: they lock the folder.
fn open_or_make(path: &Path) -> Result<Arc<Shard>, Failure> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    if FileId::at(path).is_none() {
        // SQLite would read a log that a removed file has left behind as one of the new file's.
        let lock = fs::File::open(folder).map_err(Failure::at(folder, "opened"))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(Failure::at(folder, "locked"))?;
        if FileId::at(path).is_none() {
            draft::remove(path)?;
            let draft = path.with_extension(format!("{:08x}.draft", fastrand::u32(..)));
            let made = Draft::empty(draft.clone()).and_then(Draft::finish);
            let named =
                made.and_then(|()| fs::rename(&draft, path).map_err(Failure::at(path, "made")));
            if named.is_err() {
                let _ = fs::remove_file(&draft); // nobody needs it
            }
            named?;
        }
    }
    let gone = || Failure::new(format!("{} is gone", path.display()));
    let file = FileId::at(path).ok_or_else(gone)?;
    Ok(Arc::new(Shard::new(Prefix::ALL, path.to_owned(), file)))
}

impl SessionStore for SqliteFile {
    const SHARED: bool = true;
    const TRACKS_RETURN: bool = true;

    /// Reads on the thread that asks: it takes microseconds, less than to change threads.
    async fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>> {
        Ok(self.0.read(|connection| rows::load(connection, key))?)
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

    async fn of_user(&self, user: &UserKey, limit: usize) -> Result<Vec<StoredSession>> {
        let user = *user;
        self.run(move |inner| inner.read(|connection| rows::of_user(connection, &user, limit)))
            .await
    }

    async fn remove_expired(&self, now: u64, limit: usize) -> Result<usize> {
        self.run(move |inner| inner.sweep(now, limit)).await
    }

    async fn page(&self, after_place: Option<&str>, limit: usize) -> Result<Page> {
        let (from, limit) = match after_place {
            None => (Place(0), limit.max(1)),
            Some(text) => (parse(text).ok_or(WRONG_CURSOR)?, limit.max(1)),
        };
        let read =
            move |inner: &Inner| inner.read(|connection| rows::page(connection, from, limit));
        let sessions = self.run(read).await?;
        let last = sessions.last().filter(|_| sessions.len() == limit);
        let next = last.and_then(|last| after(last.key())).map(cursor);
        Ok(Page::new(sessions, next))
    }

    async fn clear(&self) -> Result<()> {
        self.run(|inner| {
            inner.write(Durability::PowerCut, |connection, _, count| {
                count.forget();
                rows::end(connection, Fate::Live)
            })
        })
        .await
    }

    /// Copies SQLite's log into the file and syncs it.
    async fn flush(&self) -> Result<()> {
        self.run(|inner| {
            let writer = inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
            match &writer.open {
                Some((shard, writer)) => writer.checkpoint(shard),
                None => Ok(()),
            }
        })
        .await
    }
}

impl fmt::Debug for SqliteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteFile")
            .field("path", &self.0.path)
            .finish_non_exhaustive()
    }
}
