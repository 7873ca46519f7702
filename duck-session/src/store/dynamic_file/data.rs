//! Data of a site's own, in a database beside the shards.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::connection;
use super::failure::Failure;
use super::lock::FolderLock;
use super::shard::create;

pub(super) const NAME: &str = "data.sqlite";

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires INTEGER NOT NULL);
    CREATE INDEX IF NOT EXISTS entries_expires ON entries (expires);
";

/// Opened at the first use: most sites keep no data of their own here.
#[derive(Debug)]
pub(super) struct Data {
    folder: PathBuf,
    connection: Mutex<Option<Connection>>,
}

impl Data {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            connection: Mutex::new(None),
        }
    }

    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let path = self.folder.join(NAME);
        let mut held = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let connection = match &mut *held {
            Some(connection) => connection,
            none => none.insert(self.open(&path)?),
        };
        let done = work(connection).map_err(Failure::at(&path, "used"));
        if done.is_err() {
            *held = None;
        }
        done
    }

    fn open(&self, path: &Path) -> Result<Connection, Failure> {
        let _lock = FolderLock::acquire(&self.folder)?;
        if !path.exists() {
            create(path)?;
        }
        let connection = connection::open_to_write(path)?;
        connection
            .execute_batch(SCHEMA)
            .map_err(Failure::at(path, "opened"))?;
        Ok(connection)
    }
}
