//! Data of a site's own, in a database beside the shards.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::connection;
use super::draft::create;
use super::failure::Failure;
use super::lock::FolderLock;

pub(super) const NAME: &str = "data.sqlite";

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires INTEGER NOT NULL);
    CREATE INDEX IF NOT EXISTS entries_expires ON entries (expires);
";

/// Opened at the first use: most sites keep no data of their own here.
#[derive(Debug, Default)]
pub(super) struct Data(Mutex<Option<Connection>>);

impl Data {
    pub(super) fn with<T>(
        &self,
        folder: &Path,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let path = folder.join(NAME);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match held.take() {
            Some(connection) => connection,
            None => open(folder, &path)?,
        };
        // After a failure the next one starts afresh, in case the trouble was with the connection.
        let done = work(&connection).map_err(Failure::at(&path, "used"))?;
        *held = Some(connection);
        Ok(done)
    }
}

fn open(folder: &Path, path: &Path) -> Result<Connection, Failure> {
    let _lock = FolderLock::acquire(folder)?;
    if !path.exists() {
        create(path)?;
    }
    let connection = connection::open_to_write(path)?;
    let made = connection.execute_batch(SCHEMA);
    made.map_err(Failure::at(path, "opened"))?;
    Ok(connection)
}
