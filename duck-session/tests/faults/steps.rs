//! What a writer does, step by step. What a step does is known by its number: so whoever knows which
//! step was acknowledged last knows what has to be stored, to the byte.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use duck_session::cache::{Cache, Entry};

use crate::storage::Storage;

pub(crate) const KEYS: usize = 6;
pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// What is stored under each key: the number of the step that wrote it.
pub(crate) type Stored = [Option<u64>; KEYS];

#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    Write,
    WriteDurably,
    /// Replaces without looking.
    Set,
    Delete,
    /// Leaves something that is expired already.
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
    match scattered(step) / 64 % 8 {
        0 => Deed::WriteDurably,
        1 => Deed::Set,
        2 => Deed::Delete,
        3 => Deed::Expire,
        _ => Deed::Write,
    }
}

/// From a few bytes to some twenty thousand: a torn one shows.
fn value(step: u64) -> Vec<u8> {
    let words = 1 + usize::try_from(scattered(step) / 512).unwrap() % 2000;
    format!("{step:09} ").repeat(words).into_bytes()
}

pub(crate) fn after(mut stored: Stored, step: u64) -> Stored {
    stored[key(step)] = match deed(step) {
        Deed::Delete | Deed::Expire => None,
        Deed::Write | Deed::WriteDurably | Deed::Set => Some(step),
    };
    stored
}

/// What a child does: says of each step when it is acknowledged.
pub(crate) async fn write_until_killed<S: Storage>(dir: &Path, first: u64) {
    let cache = S::open(dir);
    let mut stdout = std::io::stdout();
    for step in first.. {
        take(&cache, step).await;
        writeln!(stdout, "\ndone {step}").unwrap();
    }
}

async fn take(cache: &impl Cache, step: u64) {
    let (key, value) = (key(step).to_string(), value(step));
    let entry = Entry::new(&value).ttl(HOUR);
    let new = match deed(step) {
        Deed::Set => return cache.set(&key, &value, Some(HOUR)).await.unwrap(),
        Deed::Delete => return cache.delete(&key).await.unwrap(),
        Deed::Write => entry,
        Deed::WriteDurably => entry.durable(),
        Deed::Expire => entry.ttl(Duration::ZERO),
    };
    let seen = cache.get(&key).await.unwrap();
    let swapped = cache.compare_and_swap(&key, seen.as_deref(), Some(new));
    assert!(swapped.await.unwrap());
    if step.is_multiple_of(16) {
        cache.remove_expired(100).await.unwrap();
    }
}
/// What is stored; none of it is torn.
pub(crate) async fn read_all(cache: &impl Cache) -> Stored {
    let mut stored = Stored::default();
    for (key, place) in stored.iter_mut().enumerate() {
        let Some(bytes) = cache.get(&key.to_string()).await.unwrap() else {
            continue;
        };
        let step = str::from_utf8(&bytes[..9]).unwrap().parse().unwrap();
        assert!(bytes == value(step), "a torn record, of step {step}");
        *place = Some(step);
    }
    stored
}
