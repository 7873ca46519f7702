use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::failure::Failure;
use super::lock::PATIENCE;

/// `due` is when the sweep looks at an entry. It may be earlier than `expires`, never later: an
/// update that prolongs a session leaves it, so that it writes one page and not the index too.
///
/// Keys are found by their [`digest`](super::digest), and are each there once because the one who
/// writes looks first.
///
/// The key is not the table's own order (`WITHOUT ROWID`): so a read of 200 bytes is 15 % cheaper,
/// but from 1 KiB on, where values no longer fit into the pages of the key's tree, reads and writes
/// cost three times as much. Pages of 2 and of 8 KiB cost the same within 10 %.
const SCHEMA: &str = "
    PRAGMA page_size = 4096;
    PRAGMA journal_mode = WAL;
    CREATE TABLE entries (
        number INTEGER PRIMARY KEY,
        digest INTEGER NOT NULL,
        key TEXT NOT NULL,
        value BLOB NOT NULL,
        expires INTEGER NOT NULL,
        due INTEGER NOT NULL
    );
    CREATE INDEX entries_digest ON entries (digest);
    CREATE INDEX entries_due ON entries (due);
";

/// The log is copied into the shard after this many pages (4 MiB); four times as many saved nothing
/// that could be measured. [`Reserve`](super::reserve) goes by it.
const AUTOCHECKPOINT: &str = "PRAGMA wal_autocheckpoint = 1000;";

/// Room for the upper pages of the trees of most shards. The kernel caches the rest, and what is
/// cached here is dropped whenever another connection writes. With four times as much a read among a
/// million sessions took half as long again: what is cached then no longer stays near the processor.
///
/// No `mmap_size`: a disk error would then end the process and not the request.
const CACHE: &str = "PRAGMA cache_size = -1024;";

/// A connection that changes entries.
pub(super) fn open_to_write(path: &Path) -> Result<Connection, Failure> {
    let connection = open(path)?;
    connection
        .execute_batch(AUTOCHECKPOINT)
        .map_err(Failure::at(path, "opened"))?;
    Ok(connection)
}

/// A connection that only reads entries.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, Failure> {
    let connection = open(path)?;
    connection
        .execute_batch("PRAGMA query_only = ON;")
        .map_err(Failure::at(path, "opened"))?;
    Ok(connection)
}

/// Opens what is there: a shard that is gone must not be made again, empty.
fn open(path: &Path) -> Result<Connection, Failure> {
    connect(path).map_err(Failure::at(path, "opened"))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.execute_batch(CACHE)?;
    Ok(connection)
}

/// Makes an empty shard. It gets its name when it is complete, so that nobody opens half of one.
pub(super) fn create(path: &Path) -> Result<(), Failure> {
    let draft = path.with_extension("draft");
    remove(&draft).map_err(Failure::at(&draft, "removed"))?;
    // SQLite gives the files it puts beside this one the same mode.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(Failure::at(&draft, "made"))?;
    write_schema(&draft)?;
    // The log of a shard that was deleted by hand is not this one's.
    remove_log(path).map_err(Failure::at(path, "made"))?;
    fs::rename(&draft, path).map_err(Failure::at(path, "made"))?;
    sync_folder(path).map_err(Failure::at(path, "made"))
}

fn write_schema(draft: &Path) -> Result<(), Failure> {
    let connection = open(draft)?;
    connection
        .execute_batch(SCHEMA)
        .and_then(|()| connection.close().map_err(|(_, error)| error))
        .map_err(Failure::at(draft, "written"))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

/// Removes a shard with its log. The shard goes first: without its log it would be an older one.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    remove_file(path)?;
    remove_log(path)
}

/// Removes the files SQLite keeps beside a shard.
fn remove_log(path: &Path) -> io::Result<()> {
    for suffix in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        remove_file(Path::new(&name))?;
    }
    Ok(())
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
