//! Data of a site's own: entries of [`Data`](super::data::Data).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use duck::Result;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::task::spawn_blocking;

use super::DynamicFileCache;
use crate::clock::Clock;
use crate::store::Cache;

/// Each entry that comes takes two that are over with it.
const SWEEP: &str =
    "DELETE FROM entries WHERE key IN (SELECT key FROM entries WHERE expires <= ?1 LIMIT 2)";
const INSERT: &str = "INSERT OR REPLACE INTO entries VALUES (?1, ?2, ?3)";
const SELECT: &str = "SELECT value FROM entries WHERE key = ?1 AND expires > ?2";

impl DynamicFileCache {
    async fn with_data<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let data = Arc::clone(&self.0.data);
        let folder: PathBuf = self.0.folder.path().to_owned();
        Ok(spawn_blocking(move || data.with(&folder, work)).await??)
    }
}

/// For data of a site's own: it is in a file of its own, `data.sqlite`, apart from the sessions.
impl Cache for DynamicFileCache {
    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        let (key, value, now) = (key.to_owned(), value.to_owned(), now());
        let expires = ttl.map_or(i64::MAX, |ttl| now.saturating_add(millis(ttl)));
        self.with_data(move |connection| {
            connection.prepare_cached(SWEEP)?.execute([now])?;
            let mut insert = connection.prepare_cached(INSERT)?;
            insert.execute(params![key, value, expires]).map(drop)
        })
        .await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let (key, now) = (key.to_owned(), now());
        self.with_data(move |connection| {
            let value = |row: &rusqlite::Row<'_>| Ok(Bytes::from(row.get::<_, Vec<u8>>(0)?));
            let mut select = connection.prepare_cached(SELECT)?;
            select.query_row(params![key, now], value).optional()
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let key = key.to_owned();
        let delete = "DELETE FROM entries WHERE key = ?1";
        self.with_data(move |connection| connection.execute(delete, [key]).map(drop))
            .await
    }

    /// Removes the site's data; sessions stay.
    async fn clear(&self) -> Result<()> {
        self.with_data(|connection| connection.execute_batch("DELETE FROM entries"))
            .await
    }

    /// Copies SQLite's log into the file and syncs both.
    async fn save(&self) -> Result<()> {
        let checkpoint = "PRAGMA wal_checkpoint(PASSIVE)";
        self.with_data(move |connection| connection.query_row(checkpoint, [], |_| Ok(())))
            .await
    }
}

fn now() -> i64 {
    i64::try_from(Clock::default().now()).unwrap_or(i64::MAX)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
