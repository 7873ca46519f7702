//! What a writer does, step by step. What a step does is known by its number: so whoever knows which step was
//! acknowledged last knows what has to be stored, to the byte.

use std::io::Write;
use std::path::Path;

use duck_session::store::{KeyAsFolderCache, SessionStore, StoredSession, Version};

use crate::site::{Crash, LATER, PowerCut, key as key_of, now, open, user};

pub(crate) const KEYS: usize = 6;

/// What is stored under each key: the number of the step that wrote it.
pub(crate) type Stored = [Option<u64>; KEYS];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Write,
    WriteDurably,
    Remove,
    RemoveDurably,
    /// Leaves something that is expired, and has it swept.
    Expire,
}

/// Numbers in no order, the same ones in every process.
fn scattered(step: u64) -> u64 {
    step.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24
}

pub(crate) fn key(step: u64) -> usize {
    usize::try_from(scattered(step)).unwrap() % KEYS
}

pub(crate) fn deed(step: u64) -> Deed {
    match scattered(step) / 64 % 16 {
        0..4 => Deed::WriteDurably,
        4 => Deed::Remove,
        5 => Deed::RemoveDurably,
        6 => Deed::Expire,
        _ => Deed::Write,
    }
}

/// Mostly less than a kilobyte, and up to twenty thousand bytes: a torn one shows.
fn value(step: u64) -> Vec<u8> {
    let most = if scattered(step).is_multiple_of(8) {
        2000
    } else {
        90
    };
    let words = 1 + usize::try_from(scattered(step) / 512).unwrap() % most;
    format!("{step:09} ").repeat(words).into_bytes()
}

pub(crate) fn after(mut stored: Stored, step: u64) -> Stored {
    stored[key(step)] = match deed(step) {
        Deed::Remove | Deed::RemoveDurably | Deed::Expire => None,
        Deed::Write | Deed::WriteDurably => Some(step),
    };
    stored
}

/// What a child does: says of each step when it is acknowledged.
pub(crate) async fn write_until_killed(dir: &Path, first: u64) {
    let store = open(dir).await;
    let mut stdout = std::io::stdout();
    for step in first.. {
        take(&store, step).await;
        writeln!(stdout, "\ndone {step}").unwrap();
    }
}

async fn take(store: &KeyAsFolderCache, step: u64) {
    let key = key_of(key(step) as u64);
    let (durability, expires) = match deed(step) {
        Deed::Remove => return store.remove(&key, None, Crash).await.map(drop).unwrap(),
        Deed::RemoveDurably => return store.remove(&key, None, PowerCut).await.map(drop).unwrap(),
        Deed::Write => (Crash, LATER),
        Deed::WriteDurably => (PowerCut, LATER),
        Deed::Expire => (Crash, 1),
    };
    let before = store.load(&key).await.unwrap();
    let user = step.is_multiple_of(2).then(|| user((step % 3) as u8));
    let version = before
        .as_ref()
        .map_or_else(Version::first, |before| before.version().next());
    let session = StoredSession::new(key, version, user, expires, value(step));
    let stored = match before {
        Some(before) => store.replace(before.version(), &session, durability).await,
        None => store.create(&session, durability).await,
    };
    assert!(stored.unwrap());
    if deed(step) == Deed::Expire {
        assert!(store.remove_expired(now(), 100).await.unwrap() > 0);
    }
}

/// What is stored; none of it is torn, and whoever has one finds it among theirs.
pub(crate) async fn read_all(store: &KeyAsFolderCache) -> Stored {
    let mut stored = Stored::default();
    for (number, place) in stored.iter_mut().enumerate() {
        let Some(session) = store.load(&key_of(number as u64)).await.unwrap() else {
            continue;
        };
        let step = str::from_utf8(&session.bytes()[..9])
            .unwrap()
            .parse()
            .unwrap();
        assert!(
            session.bytes() == &value(step),
            "a torn record, of step {step}"
        );
        if session.expires() == LATER {
            *place = Some(step);
        }
    }
    stored
}

/// Each session that has a user is among theirs.
pub(crate) async fn assert_users_have_theirs(store: &KeyAsFolderCache) {
    for number in 0..KEYS {
        let key = key_of(number as u64);
        if let Some(session) = store.load(&key).await.unwrap()
            && let Some(user) = session.user()
        {
            let theirs = store.of_user(user, 100).await.unwrap();
            assert!(
                theirs.iter().any(|session| session.key() == &key),
                "key {number}"
            );
        }
    }
}
