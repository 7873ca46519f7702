use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use super::connection;
use super::digest::digest;
use super::expiry::Instant;
use super::failure::Failure;

/// How many threads read a shard at once before one waits for another.
const READERS: usize = 4;

const SELECT: &str = "SELECT value, expires FROM entries WHERE digest = ?1 AND key = ?2";

/// One database of the folder, and the connections that read it.
#[derive(Debug)]
pub(super) struct Shard {
    number: u32,
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

/// An entry as it is stored.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) value: Bytes,
    pub(super) expires: Instant,
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
    pub(super) fn new(number: u32, path: PathBuf, file: FileId) -> Self {
        Self {
            number,
            path,
            file,
            readers: Default::default(),
            warned: AtomicBool::new(false),
        }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is still there, and the one that was opened. What is written into one that
    /// was removed is lost.
    pub(super) fn is_current(&self) -> bool {
        FileId::at(&self.path) == Some(self.file)
    }

    pub(super) fn is(&self, number: u32, file: FileId) -> bool {
        self.number == number && self.file == file
    }

    /// The entry under `key`, expired or not.
    pub(super) fn read(&self, key: &str) -> Result<Option<Found>, Failure> {
        let found = self.with_reader(|connection| select(connection, key))?;
        Ok(found.flatten())
    }

    /// What `work` reads; `None` if the shard is gone.
    pub(super) fn with_reader<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Failure> {
        let mut reader = self.reader();
        let read = self.read_with(&mut reader, work);
        if read.is_err() {
            // The next reader starts afresh, in case the trouble was with the connection.
            *reader = None;
            if !self.path.exists() {
                return Ok(None);
            }
        }
        read.map(Some)
    }

    fn read_with<T>(
        &self,
        reader: &mut Option<Connection>,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let connection = match reader {
            Some(connection) => connection,
            None => reader.insert(connection::open_to_read(&self.path)?),
        };
        work(connection).map_err(Failure::at(&self.path, "read"))
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

    /// Logs, once, that part of this shard can't be read.
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

fn select(connection: &Connection, key: &str) -> rusqlite::Result<Option<Found>> {
    connection
        .prepare_cached(SELECT)?
        .query_row(params![digest(key), key], |row| {
            Ok(Found {
                value: Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?),
                expires: row.get(1)?,
            })
        })
        .optional()
}
