use std::time::Duration;

use super::{Cache, Clock, DynamicFileCache, DynamicFileOptions, Entry};

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);

struct Site {
    _dir: tempfile::TempDir,
    cache: DynamicFileCache,
    clock: Clock,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual();
        let options = DynamicFileOptions {
            clock: clock.clone(),
            ..DynamicFileCache::options()
        };
        Self {
            cache: options.open(dir.path().join("sessions")).unwrap(),
            _dir: dir,
            clock,
        }
    }

    async fn value(&self) -> Option<Vec<u8>> {
        self.cache.get("a").await.unwrap().map(Into::into)
    }

    /// Returns when everything that was asked for before is done.
    async fn settle(&self) {
        self.cache.delete("another").await.unwrap();
    }
}

#[tokio::test]
async fn what_was_seen_expired_does_not_come_back_with_the_clock() {
    let site = Site::new();
    site.cache.set("a", b"1", Some(HOUR)).await.unwrap();
    site.clock.advance(HOUR);
    assert_eq!(site.value().await, None);
    site.settle().await;
    site.clock.step_back(HOUR);
    assert_eq!(site.value().await, None);
}

/// The clock is set back while the removal is on its way to the writer.
#[tokio::test]
async fn what_was_seen_expired_is_removed_though_the_clock_was_set_back_meanwhile() {
    let site = Site::new();
    site.cache.set("a", b"1", Some(HOUR)).await.unwrap();
    site.clock.advance(HOUR);
    let now = site.cache.now();
    site.clock.step_back(HOUR);
    site.cache.forget("a", now);
    site.settle().await;
    assert_eq!(site.value().await, None);
}

#[tokio::test]
async fn what_was_written_since_it_was_seen_expired_stays() {
    let site = Site::new();
    site.cache.set("a", b"1", Some(HOUR)).await.unwrap();
    site.clock.advance(HOUR);
    let now = site.cache.now();
    let new = Entry::new(b"2").ttl(HOUR);
    let swapped = site.cache.compare_and_swap("a", None, Some(new)).await;
    assert!(swapped.unwrap());
    site.cache.forget("a", now);
    site.settle().await;
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

/// Sweeping all of them takes many slices, and the write comes after the first.
#[tokio::test]
async fn a_write_does_not_wait_until_everything_is_swept() {
    let site = Site::new();
    for turn in 0..40 {
        let keys: Vec<_> = (0..500).map(|key| format!("{turn}-{key}")).collect();
        let writes = keys.iter().map(|key| site.cache.set(key, b"1", Some(HOUR)));
        for write in futures_util::future::join_all(writes).await {
            write.unwrap();
        }
    }
    site.clock.advance(HOUR);
    let cache = site.cache.clone();
    let sweep = tokio::spawn(async move { cache.remove_expired(usize::MAX).await });
    tokio::task::yield_now().await;
    site.cache.set("a", b"1", Some(HOUR)).await.unwrap();
    assert!(!sweep.is_finished());
    assert_eq!(sweep.await.unwrap().unwrap(), 20_000);
    assert_eq!(site.value().await.as_deref(), Some(&b"1"[..]));
}
