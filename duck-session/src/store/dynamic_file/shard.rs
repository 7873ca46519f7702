use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rusqlite::Connection;

use super::connection::{self, open_to_read};
use super::failure::Failure;
use super::place::Prefix;
use super::rows::{self, Fate};

/// How many threads read a shard at once before one waits for another.
const READERS: usize = 4;

/// One database of the folder: the sessions whose places begin with `prefix`, and the connections that
/// read them.
#[derive(Debug)]
pub(super) struct Shard {
    prefix: Prefix,
    path: PathBuf,
    file: FileId,
    readers: [Mutex<Option<Connection>>; READERS],
    warned: AtomicBool,
}

/// A file whatever its name. No other file gets the id while a connection holds this one open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

/// What was found in a shard.
#[derive(Debug)]
pub(super) enum Read<T> {
    Found(T),
    Nothing,
    /// Nothing, because the shard is over, or gone.
    Replaced,
}

impl FileId {
    /// The file that has this name now, if there is one.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let data = fs::symlink_metadata(path).ok()?;
        Some(Self {
            device: data.dev(),
            inode: data.ino(),
        })
    }
}

impl Shard {
    pub(super) fn new(prefix: Prefix, path: PathBuf, file: FileId) -> Self {
        Self {
            prefix,
            path,
            file,
            readers: Default::default(),
            warned: AtomicBool::new(false),
        }
    }

    pub(super) fn prefix(&self) -> Prefix {
        self.prefix
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is(&self, path: &Path, file: FileId) -> bool {
        self.path == path && self.file == file
    }

    /// Whether the file is still there, and the one that was opened. What is written into one that was
    /// removed is lost.
    pub(super) fn is_current(&self) -> bool {
        FileId::at(&self.path) == Some(self.file)
    }

    /// What `work` finds.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<Option<T>>,
    ) -> Result<Read<T>, Failure> {
        let read = self.with_reader(|connection| match work(connection)? {
            Some(found) => Ok(Read::Found(found)),
            // It was live when `work` looked, if it still is.
            None if rows::fate(connection)? == Fate::Live => Ok(Read::Nothing),
            None => Ok(Read::Replaced),
        });
        match read {
            Ok(Read::Found(found)) => Ok(Read::Found(found)),
            _ if !self.is_current() => Ok(Read::Replaced),
            read => read,
        }
    }

    /// What `work` reads, in whatever state the shard is.
    pub(super) fn with_reader<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let mut reader = self.reader();
        let connection = match &mut *reader {
            Some(connection) => connection,
            none => none.insert(open_to_read(&self.path)?),
        };
        let read = work(connection).map_err(Failure::at(&self.path, "read"));
        if read.is_err() {
            // The next reader starts afresh, in case the trouble was with the connection.
            *reader = None;
        }
        read
    }

    /// A connection nobody uses, else the first one that comes free.
    fn reader(&self) -> MutexGuard<'_, Option<Connection>> {
        let idle = self
            .readers
            .iter()
            .find_map(|reader| match reader.try_lock() {
                Ok(guard) => Some(guard),
                Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            });
        idle.unwrap_or_else(|| {
            self.readers[fastrand::usize(..READERS)]
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        })
    }

    /// Logs, once, that this shard is damaged.
    pub(super) fn warn(&self, failure: &Failure) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            let cause = std::error::Error::source(failure).map(ToString::to_string);
            tracing::warn!(
                target: "duck_session",
                cause = cause.as_deref(),
                "{failure}; the sessions in other shards are not affected"
            );
        }
    }
}

/// A shard that is written as a whole, in a file of another name, so that nobody opens half of one.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    connection: Connection,
}

impl Draft {
    /// Makes the file; `fill` stores its sessions.
    pub(super) fn write(
        path: PathBuf,
        fill: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<Self, Failure> {
        create(&path)?;
        // A draft that was not finished is thrown away: nothing in it has to be undone or synced before.
        let settings = "PRAGMA page_size = 4096; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; \
             PRAGMA temp_store = MEMORY;";
        let connection = connection::open(&path, settings)?;
        let draft = Self { path, connection };
        draft.change(|connection| {
            connection.execute_batch(rows::TABLE)?;
            fill(connection)?;
            connection.execute_batch(rows::INDEXES)
        })?;
        sync(&draft.path)?;
        Ok(draft)
    }

    pub(super) fn change(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), Failure> {
        let begin = self.connection.execute_batch("BEGIN");
        begin
            .and_then(|()| work(&self.connection))
            .and_then(|()| self.connection.execute_batch("COMMIT"))
            .map_err(Failure::at(&self.path, "written"))
    }

    /// Makes it the file of a shard, which is on the disk. It has its name when the folder is synced.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let Self { path, connection } = self;
        let closed = connection
            .execute_batch("PRAGMA journal_mode = WAL")
            .and_then(|()| connection.close().map_err(|(_, error)| error));
        closed.map_err(Failure::at(&path, "written"))?;
        sync(&path)
    }
}

/// Waits until a file, or the names in a folder, are on the disk.
pub(super) fn sync(path: &Path) -> Result<(), Failure> {
    let synced = fs::File::open(path).and_then(|file| file.sync_all());
    synced.map_err(Failure::at(path, "written"))
}

/// Makes an empty file for a database. SQLite gives the files it puts beside it the same mode.
pub(super) fn create(path: &Path) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    let created = options.write(true).create_new(true).mode(0o600).open(path);
    created.map(drop).map_err(Failure::at(path, "made"))
}

/// Removes a shard with its log. The shard goes first: without its log it would be an older one.
pub(super) fn remove(path: &Path) -> Result<(), Failure> {
    let removed = ["", "-wal", "-shm"].iter().try_for_each(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        remove_file(Path::new(&name))
    });
    removed.map_err(Failure::at(path, "removed"))
}

pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
