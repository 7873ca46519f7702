//! `RedisCache` on real servers, which the tests start themselves: alone, as a Cluster, under Sentinels, with other
//! processes and in trouble.
//!
//! What takes long is behind `--ignored`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../store_database/certificates.rs"]
mod certificates;
mod cluster;
mod conformance;
#[path = "../sessions/log.rs"]
mod log;
#[path = "../store_database/pages.rs"]
mod pages;
mod processes;
mod proxy;
mod records;
mod secrecy;
mod sentinel;
mod server;
mod sharing;
mod site;
mod start;
mod tasks;
mod tls;
mod trouble;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../tasks/turns.rs"]
mod turns;

use std::sync::LazyLock;

use duck_session::store::{
    Durability, RedisCache, SessionKey, SessionStore, StoredSession, UserKey, Version,
};

use crate::log::Log;

/// What this program writes to its log from the first look at it on, by all tests.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    log
});

/// An end that no test lives to see.
const LATER: u64 = 4_000_000_000_000;

fn key(number: u64) -> SessionKey {
    let mut bytes = [7; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    SessionKey::from_bytes(bytes)
}

fn session(number: u64, user: Option<UserKey>, expires: u64) -> StoredSession {
    StoredSession::new(key(number), Version::first(), user, expires, "sealed")
}

/// The version after this one, with these bytes.
fn next(old: &StoredSession, bytes: impl Into<Vec<u8>>) -> StoredSession {
    let (version, user) = (old.version().next(), old.user().copied());
    StoredSession::new(*old.key(), version, user, old.expires(), bytes.into())
}

async fn create(store: &RedisCache, session: &StoredSession) {
    assert!(store.create(session, Durability::Crash).await.unwrap());
}

async fn replace(store: &RedisCache, old: &StoredSession, new: &StoredSession) -> bool {
    let replaced = store.replace(old.version(), new, Durability::Crash);
    replaced.await.unwrap()
}
