use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::failure::Failure;

pub(super) const PAGE: u64 = 4096;

/// Between two looks whether another process is done writing, and how many of them there are: two seconds.
const RETRY: Duration = Duration::from_micros(200);
const RETRIES: i32 = 10_000;

/// Room for the upper pages of the tree of a shard; the kernel caches the rest. What is cached here is
/// dropped whenever another connection writes.
///
/// No `mmap_size`: a disk error would then end the process and not the request.
const CACHE: &str = "PRAGMA cache_size = -512;";

/// The log is copied into the shard after this many pages (4 MiB).
const TO_WRITE: &str = "PRAGMA wal_autocheckpoint = 1000;";

const TO_READ: &str = "PRAGMA query_only = ON;";

/// A connection that changes sessions.
pub(super) fn open_to_write(path: &Path) -> Result<Connection, Failure> {
    open(path, TO_WRITE)
}

/// A connection that only reads.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, Failure> {
    open(path, TO_READ)
}

/// Opens what is there: a shard that is gone must not be made again, empty.
pub(super) fn open(path: &Path, settings: &str) -> Result<Connection, Failure> {
    connect(path, settings).map_err(Failure::at(path, "opened"))
}

fn connect(path: &Path, settings: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.busy_handler(Some(wait))?;
    connection.execute_batch(CACHE)?;
    connection.execute_batch(settings)?;
    Ok(connection)
}

/// Waits for another process. SQLite's own pauses grow to 100 ms, and the last in a queue never gets its turn.
fn wait(retries: i32) -> bool {
    thread::sleep(RETRY);
    retries < RETRIES
}
