use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::connection::open_to_read;
use super::failure::Failure;
use super::place::Prefix;
use super::rows::{self, Fate};

/// How many connections stay open to read a shard; each takes memory and open files.
const READERS: usize = 4;

/// One database of the folder: the sessions whose places begin with `prefix`, and the connections that
/// read them.
#[derive(Debug)]
pub(super) struct Shard {
    prefix: Prefix,
    path: PathBuf,
    file: FileId,
    /// Those that nobody uses.
    readers: Mutex<Vec<Connection>>,
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
            readers: Mutex::default(),
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
        let idle = self.readers().pop();
        let connection = idle.map_or_else(|| open_to_read(&self.path), Ok)?;
        // After a failure the next reader starts afresh, in case the trouble was with the connection.
        let read = work(&connection).map_err(Failure::at(&self.path, "read"))?;
        let mut readers = self.readers();
        if readers.len() < READERS {
            readers.push(connection);
        }
        Ok(read)
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs, once, what is wrong with this shard.
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
