use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::connection;
use super::failure::Failure;
use super::place::Prefix;
use super::rows;

/// A draft that was not finished is thrown away: nothing in it has to be undone or synced before.
const SETTINGS: &str = "PRAGMA page_size = 4096; PRAGMA main.journal_mode = OFF; \
     PRAGMA main.synchronous = OFF; PRAGMA temp_store = MEMORY;";

/// A shard in the making, in a file of another name, so that nobody opens half of one.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    connection: Connection,
}

impl Draft {
    /// A draft without sessions.
    pub(super) fn empty(path: PathBuf) -> Result<Self, Failure> {
        let draft = Self::new(path)?;
        draft.change(|connection| {
            connection.execute_batch(rows::TABLE)?;
            connection.execute_batch(rows::INDEXES)
        })?;
        Ok(draft)
    }

    /// A draft with the sessions of some places of another shard, as they are now.
    pub(super) fn copy(path: PathBuf, old: &Path, places: Prefix) -> Result<Self, Failure> {
        let draft = Self::new(path)?;
        let attached = draft
            .connection
            .execute("ATTACH ?1 AS old", [old.to_string_lossy()]);
        attached.map_err(Failure::at(old, "opened"))?;
        draft.change(|connection| {
            connection.execute_batch(rows::TABLE)?;
            rows::copy(connection, places)?;
            connection.execute_batch(rows::INDEXES)
        })?;
        sync(&draft.path)?;
        Ok(draft)
    }

    /// Copies what has changed since, and is done with the other shard.
    pub(super) fn copy_changes(&self, places: Prefix) -> Result<(), Failure> {
        self.change(|connection| rows::copy_changes(connection, places))?;
        let detached = self.connection.execute_batch("DETACH old");
        detached.map_err(Failure::at(&self.path, "written"))
    }

    /// Makes it the file of a shard, which is on the disk. It has its name when the folder is synced.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let Self { path, connection } = self;
        let closed = connection
            .execute_batch("PRAGMA main.journal_mode = WAL")
            .and_then(|()| connection.close().map_err(|(_, error)| error));
        closed.map_err(Failure::at(&path, "written"))?;
        sync(&path)
    }

    fn new(path: PathBuf) -> Result<Self, Failure> {
        create(&path)?;
        let connection = connection::open(&path, SETTINGS)?;
        Ok(Self { path, connection })
    }

    fn change(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), Failure> {
        let begin = self.connection.execute_batch("BEGIN");
        begin
            .and_then(|()| work(&self.connection))
            .and_then(|()| self.connection.execute_batch("COMMIT"))
            .map_err(Failure::at(&self.path, "written"))
    }
}

/// Waits until a file, or the names in a folder, are on the disk.
pub(super) fn sync(path: &Path) -> Result<(), Failure> {
    let synced = File::open(path).and_then(|file| file.sync_all());
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
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
