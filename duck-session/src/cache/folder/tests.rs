use std::sync::Arc;
use std::time::Duration;

use super::name::Name;
use super::{Cache, Entry, KeyAsFolderCache};
use crate::clock::Clock;

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);

struct Site {
    _dir: tempfile::TempDir,
    cache: KeyAsFolderCache,
    clock: Clock,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = KeyAsFolderCache::open(dir.path().join("sessions")).unwrap();
        let clock = Clock::manual();
        Arc::get_mut(&mut cache.store).unwrap().clock = clock.clone();
        Self {
            cache,
            _dir: dir,
            clock,
        }
    }

    async fn value(&self) -> Option<Vec<u8>> {
        self.cache.get("a").await.unwrap().map(Into::into)
    }
}

#[tokio::test]
async fn what_was_seen_expired_does_not_come_back_with_the_clock() {
    let site = Site::new();
    site.cache.set("a", b"1", Some(HOUR)).await.unwrap();
    site.clock.advance(HOUR);
    assert_eq!(site.value().await, None);
    site.clock.step_back(HOUR);
    assert_eq!(site.value().await, None);
}

/// The clock is set back between the look and the removal.
#[tokio::test]
async fn what_was_seen_expired_is_removed_though_the_clock_was_set_back_meanwhile() {
    let site = Site::new();
    site.cache.set("a", b"1", Some(HOUR)).await.unwrap();
    let then = site.clock.now() + 3_600_000;
    site.cache.store.forget(&Name::of("a"), then).unwrap();
    assert_eq!(site.value().await, None);
}

#[tokio::test]
async fn what_was_written_since_it_was_seen_expired_stays() {
    let site = Site::new();
    site.cache.set("a", b"1", Some(HOUR)).await.unwrap();
    site.clock.advance(HOUR);
    let then = site.clock.now();
    let new = Entry::new(b"2").ttl(HOUR);
    let swapped = site.cache.compare_and_swap("a", None, Some(new)).await;
    assert!(swapped.unwrap());
    site.cache.store.forget(&Name::of("a"), then).unwrap();
    assert_eq!(site.value().await.as_deref(), Some(&b"2"[..]));
}

#[tokio::test]
async fn an_entry_lives_by_the_clock_wherever_that_is_set() {
    let site = Site::new();
    site.cache.set("a", b"1", Some(HOUR)).await.unwrap();
    let now = Duration::from_millis(site.clock.now());
    for step in [SECOND, HOUR, 24 * HOUR, now] {
        site.clock.step_back(step);
        assert_eq!(site.cache.remove_expired(10).await.unwrap(), 0);
        assert_eq!(site.value().await.as_deref(), Some(&b"1"[..]));
        site.clock.advance(step);
    }
    site.clock.advance(59 * MINUTE);
    assert_eq!(site.value().await.as_deref(), Some(&b"1"[..]));
    site.clock.advance(MINUTE);
    assert_eq!(site.cache.remove_expired(10).await.unwrap(), 1);
    site.clock.step_back(HOUR);
    assert_eq!(site.value().await, None);
}
