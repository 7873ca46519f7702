//! `DatabaseCache` on a real server of PostgreSQL: alone, with other processes, and in trouble.
//!
//! What takes long is behind `--ignored`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod certificates;
mod contract;
mod cut;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../faults/disk.rs"]
mod disk;
#[path = "../sessions/log.rs"]
mod log;
mod pages;
mod processes;
mod schema;
mod secrecy;
mod server;
mod site;
mod start;
mod tasks;
mod tls;
mod trouble;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../tasks/turns.rs"]
mod turns;

use duck_session::store::{SessionKey, StoredSession, UserKey, Version};

const LATER: u64 = 1_900_000_000_000;

fn key(number: u64) -> SessionKey {
    SessionKey::from_bytes((u128::from(number) + 1).to_be_bytes())
}

fn user(number: u64) -> UserKey {
    UserKey::from_bytes(u128::from(number).to_be_bytes())
}

/// A session that begins.
fn session(number: u64, bytes: &str) -> StoredSession {
    ends(number, LATER, bytes)
}

fn ends(number: u64, expires: u64, bytes: &str) -> StoredSession {
    let bytes = bytes.to_owned().into_bytes();
    StoredSession::new(key(number), Version::first(), Some(user(7)), expires, bytes)
}

/// The version of a session after this one.
fn next(session: &StoredSession, expires: u64, bytes: &str) -> StoredSession {
    let (version, bytes) = (session.version().next(), bytes.to_owned().into_bytes());
    StoredSession::new(
        *session.key(),
        version,
        session.user().copied(),
        expires,
        bytes,
    )
}
