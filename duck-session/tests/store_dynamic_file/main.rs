//! `DynamicFileCache` as a store of sessions: alone, at its bounds, with other processes and in trouble.
//!
//! What takes long is behind `--ignored`.
#![cfg(feature = "dynamic-file")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bounds;
mod contract;
#[path = "../store_folder/cut.rs"]
mod cut;
mod data;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../faults/disk.rs"]
mod disk;
mod one_file;
mod power;
mod processes;
mod shards;
mod steps;
mod trouble;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use duck_session::store::{
    Durability, DynamicFileCache, DynamicFileOptions, SessionKey, SessionStore, StoredSession,
    UserKey, Version,
};
use rusqlite::Connection;

const LATER: u64 = 1_900_000_000_000;

/// A folder for a store, gone when the test is over.
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

    async fn open(&self) -> DynamicFileCache {
        options().open(self.path()).await.unwrap()
    }

    /// A store with the smallest shards there are.
    async fn open_tiny(&self) -> DynamicFileCache {
        options().shard_bytes(0).open(self.path()).await.unwrap()
    }

    fn shards(&self) -> Vec<PathBuf> {
        shards(&self.path())
    }

    /// The shards that hold a session.
    fn holders(&self, key: &SessionKey) -> Vec<PathBuf> {
        let shards = self.shards().into_iter();
        shards.filter(|shard| holds(shard, key)).collect()
    }

    fn names(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// Disks on which tests run may be nearly full.
fn options() -> DynamicFileOptions {
    DynamicFileCache::options().min_free(0)
}

fn shards(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_shard = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("shard-") && name.ends_with(".sqlite")
    };
    let mut shards: Vec<_> = files.filter(is_shard).collect();
    shards.sort();
    shards
}

fn holds(shard: &Path, key: &SessionKey) -> bool {
    let sql = "SELECT count(*) FROM sessions WHERE key = ?1";
    let count: i64 = Connection::open(shard)
        .unwrap()
        .query_row(sql, [key.as_bytes()], |row| row.get(0))
        .unwrap();
    count > 0
}

fn key(number: u64) -> SessionKey {
    SessionKey::from_bytes((u128::from(number) + 1).to_be_bytes())
}

fn user(number: u64) -> UserKey {
    UserKey::from_bytes(u128::from(number).to_be_bytes())
}

/// A session that begins.
fn session(number: u64) -> StoredSession {
    sized(number, 100)
}

fn sized(number: u64, bytes: usize) -> StoredSession {
    StoredSession::new(key(number), Version::first(), None, LATER, vec![7; bytes])
}

fn of(number: u64, whose: u64) -> StoredSession {
    StoredSession::new(
        key(number),
        Version::first(),
        Some(user(whose)),
        LATER,
        vec![7; 100],
    )
}

fn expiring(number: u64, expires: u64) -> StoredSession {
    StoredSession::new(key(number), Version::first(), None, expires, vec![7; 100])
}

/// The version of a session after this one, with these bytes.
fn next(session: &StoredSession, bytes: impl Into<duck::Bytes>) -> StoredSession {
    let version = session.version().next();
    StoredSession::new(
        *session.key(),
        version,
        session.user().copied(),
        session.expires(),
        bytes,
    )
}

async fn create(store: &DynamicFileCache, session: &StoredSession) {
    assert!(store.create(session, Durability::Crash).await.unwrap());
}

/// Has so many shards there, without a session more: shards are split beside the writes, as they fill up. Where the
/// disk was too slow for a split, the next one comes a minute later.
async fn grow(store: &DynamicFileCache, dir: &Dir, shards: usize) {
    let (start, first) = (Instant::now(), 500_000);
    let mut next = first;
    while dir.shards().len() < shards {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "{:?}",
            dir.names()
        );
        create(store, &sized(next, 1000)).await;
        next += 1;
        let pause = if next < first + 3000 { 2 } else { 100 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    for number in first..next {
        remove(store, &key(number)).await;
    }
}

async fn replace(store: &DynamicFileCache, old: &StoredSession, new: &StoredSession) -> bool {
    let replaced = store.replace(old.version(), new, Durability::Crash).await;
    replaced.unwrap()
}

async fn remove(store: &DynamicFileCache, key: &SessionKey) -> bool {
    store.remove(key, None, Durability::Crash).await.unwrap()
}

async fn has(store: &DynamicFileCache, number: u64) -> bool {
    store.load(&key(number)).await.unwrap().is_some()
}

/// The numbers, of these, whose sessions are there.
async fn left(store: &DynamicFileCache, numbers: std::ops::Range<u64>) -> Vec<u64> {
    let mut left = Vec::new();
    for number in numbers {
        if has(store, number).await {
            left.push(number);
        }
    }
    left
}

fn assert_same(found: &StoredSession, expected: &StoredSession) {
    assert_eq!(found.key().as_bytes(), expected.key().as_bytes());
    assert_eq!(found.version(), expected.version());
    assert!(found.user() == expected.user());
    assert_eq!(found.expires(), expected.expires());
    assert_eq!(found.bytes(), expected.bytes());
}
