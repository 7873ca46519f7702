//! A store in a folder of its own, gone when the test is over.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use duck_session::store::{
    Durability, KeyAsFolderCache, SessionKey, SessionStore, StoredSession, UserKey, Version,
};
use tempfile::TempDir;

pub(crate) use Durability::{Crash, PowerCut};

pub(crate) const KEY: SessionKey = SessionKey::from_bytes(*b"\x00123456789abcdef");

/// In a hundred years.
pub(crate) const LATER: u64 = 4_900_000_000_000;

pub(crate) struct Site {
    pub(crate) temp: TempDir,
    pub(crate) store: KeyAsFolderCache,
}

impl Site {
    pub(crate) async fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let store = open(&temp.path().join("sessions")).await;
        Self { temp, store }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.temp.path().join("sessions")
    }

    pub(crate) async fn reopen(&self) -> KeyAsFolderCache {
        open(&self.dir()).await
    }

    /// The file of a session.
    pub(crate) fn record(&self, key: SessionKey) -> PathBuf {
        record(&self.dir(), key)
    }

    pub(crate) async fn text(&self) -> Option<String> {
        text(&self.store, KEY).await
    }

    /// Stores the first version of a session.
    pub(crate) async fn create(&self, key: SessionKey, text: &str) -> StoredSession {
        let session = session(key, text);
        create(&self.store, &session, Crash).await;
        session
    }
}

/// A store without bounds: a test's disk may be nearly full.
pub(crate) async fn open(dir: &Path) -> KeyAsFolderCache {
    try_open(dir).await.unwrap()
}

pub(crate) async fn try_open(dir: &Path) -> duck::Result<KeyAsFolderCache> {
    Ok(KeyAsFolderCache::open(dir).await?.min_free(0))
}

pub(crate) fn record(dir: &Path, key: SessionKey) -> PathBuf {
    let key = key.to_hex();
    dir.join("v2").join(&key[..2]).join(&key).join("record")
}

/// A key of a test's own.
pub(crate) fn key(number: u64) -> SessionKey {
    let scattered = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
    let mut key = [0; 16];
    key[..8].copy_from_slice(&scattered);
    key[8..].copy_from_slice(&number.to_be_bytes());
    SessionKey::from_bytes(key)
}

pub(crate) fn user(number: u8) -> UserKey {
    UserKey::from_bytes([number; 16])
}

pub(crate) fn session(key: SessionKey, text: &str) -> StoredSession {
    StoredSession::new(key, Version::first(), None, LATER, text.to_owned())
}

pub(crate) fn with_user(key: SessionKey, user: UserKey) -> StoredSession {
    StoredSession::new(key, Version::first(), Some(user), LATER, "theirs")
}

/// The version after this one, with other bytes.
pub(crate) fn next(before: &StoredSession, text: &str) -> StoredSession {
    let (key, version) = (*before.key(), before.version().next());
    let user = before.user().copied();
    StoredSession::new(key, version, user, before.expires(), text.to_owned())
}

pub(crate) async fn text(store: &KeyAsFolderCache, key: SessionKey) -> Option<String> {
    let session = store.load(&key).await.unwrap()?;
    Some(String::from_utf8(session.bytes().to_vec()).unwrap())
}

/// Stores a session under a key that is free.
pub(crate) async fn create(
    store: &KeyAsFolderCache,
    session: &StoredSession,
    durability: Durability,
) {
    assert!(store.create(session, durability).await.unwrap());
}

/// Replaces the version that is there.
pub(crate) async fn replace(
    store: &KeyAsFolderCache,
    expected: Version,
    session: &StoredSession,
    durability: Durability,
) {
    let replaced = store.replace(expected, session, durability).await;
    assert!(replaced.unwrap());
}

/// Replaces what is there, whichever version.
pub(crate) async fn save(
    store: &KeyAsFolderCache,
    key: SessionKey,
    text: &str,
    durability: Durability,
) {
    let before = store.load(&key).await.unwrap().unwrap();
    let new = next(&before, text);
    replace(store, before.version(), &new, durability).await;
}

/// All below `dir`, the frame of the store left out: its buckets and the file of its sweep.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(&dir.join("v2"), 0, &mut found);
    found.sort();
    found
}

fn walk(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.symlink_metadata().unwrap().is_dir() {
            walk(&path, depth + 1, found);
        }
        if depth > 0 {
            found.push(path);
        }
    }
}

pub(crate) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}
