//! Steps that a child process takes until it is killed, and what they leave.
//!
//! A child is this test binary, told by variables what to do. It says each step that was acknowledged.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use duck_session::store::{Durability, DynamicFileCache, SessionStore, StoredSession, Version};

use super::{LATER, key, next, options};

pub(super) const SLOTS: u64 = 150;

/// Which step wrote each session that is there.
pub(super) type Stored = Vec<Option<u64>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Write,
    Remove,
    Clear,
}

fn deed(step: u64) -> Deed {
    match step {
        _ if step.is_multiple_of(700) => Deed::Clear,
        _ if step.is_multiple_of(6) => Deed::Remove,
        _ => Deed::Write,
    }
}

pub(super) fn durability(step: u64) -> Durability {
    if step.is_multiple_of(4) || deed(step) == Deed::Clear {
        Durability::PowerCut
    } else {
        Durability::Crash
    }
}

fn slot(step: u64) -> u64 {
    (step.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) % SLOTS
}

/// What is there after a step, and which sessions it was about.
pub(super) fn after(stored: &Stored, step: u64) -> Stored {
    let mut stored = stored.clone();
    let slot = usize::try_from(slot(step)).unwrap();
    match deed(step) {
        Deed::Clear => stored.fill(None),
        Deed::Remove => stored[slot] = None,
        Deed::Write => stored[slot] = Some(step),
    }
    stored
}

/// The step, as bytes of all lengths.
fn bytes(step: u64) -> Vec<u8> {
    let mut bytes = step.to_le_bytes().to_vec();
    bytes.resize(
        8 + usize::try_from(step * 7919 % 4000).unwrap(),
        step.to_le_bytes()[0],
    );
    bytes
}

pub(super) async fn take(store: &DynamicFileCache, step: u64) -> duck::Result<()> {
    let (key, durability) = (key(slot(step)), durability(step));
    match deed(step) {
        Deed::Clear => return SessionStore::clear(store).await,
        Deed::Remove => return store.remove(&key, None, durability).await.map(drop),
        Deed::Write => {}
    }
    let made = if let Some(old) = store.load(&key).await? {
        let new = next(&old, bytes(step));
        store.replace(old.version(), &new, durability).await?
    } else {
        let new = StoredSession::new(key, Version::first(), None, LATER, bytes(step));
        store.create(&new, durability).await?
    };
    assert!(made, "step {step}");
    Ok(())
}

pub(super) async fn read_all(store: &DynamicFileCache) -> Stored {
    let mut stored = Vec::new();
    for slot in 0..SLOTS {
        let found = store.load(&key(slot)).await.unwrap();
        stored.push(found.map(|session| {
            let step = u64::from_le_bytes(*session.bytes().first_chunk().unwrap());
            assert_eq!(session.bytes(), &bytes(step), "torn");
            step
        }));
    }
    stored
}

/// A process that plays a role; what the number means, the role knows.
pub(super) fn child(role: &str, dir: &Path, number: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "steps::runs_as_another_process", "--nocapture"])
        .env("STORE_ROLE", role)
        .env("STORE_DIR", dir)
        .env("STORE_NUMBER", number.to_string())
        .stdout(Stdio::piped())
        .stderr(if role == "counts" {
            Stdio::inherit()
        } else {
            Stdio::null()
        })
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_as_another_process() {
    let Ok(role) = std::env::var("STORE_ROLE") else {
        return;
    };
    let number = std::env::var("STORE_NUMBER").unwrap().parse().unwrap();
    let dir = std::env::var("STORE_DIR").unwrap();
    let store = options().shard_bytes(0).open(dir).await.unwrap();
    match role.as_str() {
        "takes steps" => {
            for step in number.. {
                if take(&store, step).await.is_ok() {
                    say(&format!("done {step}"));
                }
            }
        }
        "counts" => super::processes::count(&store, number).await,
        role => panic!("no such role: {role}"),
    }
}

pub(super) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}
