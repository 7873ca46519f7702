//! `DynamicFileCache` through its public face, alone, with other processes and in trouble.
#![cfg(feature = "dynamic-file")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contract;
mod processes;
mod shards;
mod trouble;

use std::path::{Path, PathBuf};
use std::time::Duration;

use duck_session::cache::{Cache, DynamicFileCache};
use rusqlite::Connection;

const HOUR: Duration = Duration::from_hours(1);

/// A folder for a cache, gone when the test is over.
struct Dir {
    parent: tempfile::TempDir,
}

impl Dir {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        Self { parent }
    }

    fn path(&self) -> PathBuf {
        self.parent.path().join("sessions")
    }

    fn open(&self) -> DynamicFileCache {
        DynamicFileCache::open(self.path()).unwrap()
    }

    /// A cache that makes a new shard for each new key.
    fn open_tiny(&self) -> DynamicFileCache {
        DynamicFileCache::options()
            .shard_bytes(1)
            .open(self.path())
            .unwrap()
    }

    fn shards(&self) -> Vec<PathBuf> {
        shards(&self.path())
    }

    /// The numbers of the shards that hold `key`.
    fn holders(&self, key: &str) -> Vec<usize> {
        let shards = self.shards().into_iter();
        let holders = shards.filter(|shard| count(shard, "WHERE key = ?1", [key]) > 0);
        holders.map(|shard| number(&shard)).collect()
    }
}

/// The shards in a folder, the oldest first.
fn shards(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut shards: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|it| it == "sqlite"))
        .collect();
    shards.sort();
    shards
}

fn number(shard: &Path) -> usize {
    let name = shard.file_stem().unwrap().to_str().unwrap();
    name.strip_prefix("shard-").unwrap().parse().unwrap()
}

fn count(shard: &Path, condition: &str, parameters: impl rusqlite::Params) -> usize {
    let sql = format!("SELECT count(*) FROM entries {condition}");
    let count: i64 = Connection::open(shard)
        .unwrap()
        .query_row(&sql, parameters, |row| row.get(0))
        .unwrap();
    usize::try_from(count).unwrap()
}

/// The text under `key`.
async fn read(cache: &DynamicFileCache, key: &str) -> Option<String> {
    let found = cache.get(key).await.unwrap();
    found.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}
