//! Going through all that a cache holds, page by page, while others write.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use duck::{Bytes, Result};
#[cfg(feature = "dynamic-file")]
use duck_session::cache::DynamicFileCache;
use duck_session::cache::{Cache, InMemoryCache, KeyAsFolderCache, Listed};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_hours(1);

/// A key as the engine makes them, somewhere among the others.
fn spread(number: usize) -> String {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{mixed:016x}{number:048x}")
}

async fn fill<C: Cache>(cache: &C, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        let value = number.to_string();
        cache
            .set(&spread(number), value.as_bytes(), Some(HOUR))
            .await
            .unwrap();
    }
}

/// Everything, in pages of `limit`; `between` runs after each page with what was seen on it.
async fn walk<C: Cache>(
    cache: &C,
    limit: usize,
    mut between: impl AsyncFnMut(&[Listed]),
) -> Vec<Listed> {
    let (mut all, mut after) = (Vec::new(), None);
    for _ in 0..100_000 {
        let page = cache.page(after.as_deref(), limit).await.unwrap();
        assert!(page.entries.len() <= limit.max(1));
        between(&page.entries).await;
        all.extend(page.entries);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
    panic!("there is no last page");
}

fn keys(listed: &[Listed]) -> Vec<&str> {
    let mut keys: Vec<_> = listed.iter().map(|entry| &*entry.key).collect();
    keys.sort_unstable();
    keys
}

async fn finds_everything_once<C: Cache>(cache: C) {
    fill(&cache, 0..300).await;
    let mut expected: Vec<_> = (0..300).map(spread).collect();
    expected.sort_unstable();
    for limit in [0, 1, 7, 300, 1000] {
        let all = walk(&cache, limit, async |_| ()).await;
        assert_eq!(keys(&all), expected, "pages of {limit}");
        for entry in &all {
            assert_eq!(cache.get(&entry.key).await.unwrap().unwrap(), entry.value);
        }
    }
    cache.clear().await.unwrap();
    assert!(walk(&cache, 10, async |_| ()).await.is_empty());
}

/// What stays is seen once, though neighbours go, come, change and grow between the pages.
async fn what_stays_is_seen_once<C: Cache>(cache: C) {
    let stays = |number: usize| number.is_multiple_of(3);
    fill(&cache, 0..300).await;
    let (mut next, mut turn) = (1000, 0);
    let all = walk(&cache, 10, async |page: &[Listed]| {
        turn += 1;
        // What was just seen changes, in place.
        for entry in page {
            let number: usize = text(&entry.value).parse().unwrap();
            if stays(number) {
                let longer = [&entry.value[..], b" and more"].concat();
                cache.set(&entry.key, &longer, Some(HOUR)).await.unwrap();
            }
        }
        // Some of what goes, goes; some of it was seen, some was not.
        for number in (turn * 10..turn * 10 + 10).filter(|number| !stays(*number)) {
            cache.delete(&spread(number)).await.unwrap();
        }
        // Others come, and take the places that came free.
        fill(&cache, next..next + 5).await;
        next += 5;
    })
    .await;
    let mut times = BTreeMap::new();
    for entry in &all {
        *times.entry(entry.key.clone()).or_insert(0) += 1;
    }
    for number in (0..300).filter(|number| stays(*number)) {
        assert_eq!(times.get(&spread(number)), Some(&1), "{number}");
    }
}

fn text(value: &[u8]) -> &str {
    std::str::from_utf8(value).unwrap()
}

/// The same while others write at full speed, from threads of their own.
async fn what_stays_is_seen_once_among_writers<C: Cache>(cache: C) {
    let cache = Arc::new(cache);
    fill(&*cache, 0..200).await;
    let done = Arc::new(AtomicBool::new(false));
    let writers = [1000, 2000].map(|first| {
        let (cache, done) = (cache.clone(), done.clone());
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                for number in first..first + 50 {
                    cache.set(&spread(number), b"x", Some(HOUR)).await.unwrap();
                    tokio::task::yield_now().await;
                }
                for number in first..first + 50 {
                    cache.delete(&spread(number)).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    for limit in [3, 20, 150] {
        let all = walk(&*cache, limit, async |_| tokio::task::yield_now().await).await;
        let stayed: Vec<_> = all
            .iter()
            .filter(|entry| entry.value != "x")
            .map(|entry| entry.key.clone())
            .collect();
        assert_eq!(stayed.len(), 200, "pages of {limit}");
        assert_eq!(stayed.into_iter().collect::<BTreeSet<_>>().len(), 200);
    }
    done.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn says_how_long_entries_stay<C: Cache>(cache: C) {
    cache.set(&spread(1), b"for ever", None).await.unwrap();
    cache.set(&spread(2), b"an hour", Some(HOUR)).await.unwrap();
    cache
        .set(&spread(3), b"over", Some(Duration::ZERO))
        .await
        .unwrap();
    let all = walk(&cache, 10, async |_| ()).await;
    let ttl = |value: &str| {
        all.iter()
            .find(|entry| entry.value == value)
            .map(|entry| entry.ttl)
    };
    assert_eq!(ttl("for ever"), Some(None));
    let left = ttl("an hour").unwrap().unwrap();
    assert!(left <= HOUR && left > HOUR / 2, "{left:?}");
    // Whether it is still there is the cache's business.
    assert!(matches!(ttl("over"), None | Some(Some(Duration::ZERO))));
    assert_eq!(cache.get(&spread(3)).await.unwrap(), None);
}

async fn refuses_what_was_no_end_of_a_page<C: Cache>(cache: C) {
    fill(&cache, 0..3).await;
    for wrong in ["", "../x", "nonsense", "%", "-1:x", "x:1", "' OR 1=1"] {
        assert!(cache.page(Some(wrong), 10).await.is_err(), "{wrong:?}");
    }
}

fn folder() -> (TempDir, KeyAsFolderCache) {
    let temp = tempfile::tempdir().unwrap();
    let cache = KeyAsFolderCache::open(temp.path().join("sessions")).unwrap();
    (temp, cache)
}

/// A cache of several shards, the older ones emptied as entries go.
#[cfg(feature = "dynamic-file")]
fn dynamic(shard_bytes: u64) -> (TempDir, DynamicFileCache) {
    let temp = tempfile::tempdir().unwrap();
    let options = DynamicFileCache::options().shard_bytes(shard_bytes);
    let cache = options.open(temp.path().join("sessions")).unwrap();
    (temp, cache)
}

macro_rules! on_every_storage {
    ($($scenario:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                super::$scenario(super::InMemoryCache::default()).await;
            })*
        }
        mod key_as_folder {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                let (_temp, cache) = super::folder();
                super::$scenario(cache).await;
            })*
        }
        #[cfg(feature = "dynamic-file")]
        mod dynamic_file {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                let (_temp, cache) = super::dynamic(20 << 10);
                super::$scenario(cache).await;
            })*
        }
    };
}

on_every_storage! {
    finds_everything_once
    what_stays_is_seen_once
    what_stays_is_seen_once_among_writers
    says_how_long_entries_stay
    refuses_what_was_no_end_of_a_page
}

#[tokio::test]
async fn memory_lists_what_has_an_empty_key_and_not_what_has_gone() {
    let cache = InMemoryCache::default();
    cache.set("", b"", None).await.unwrap();
    cache.set("gone", b"x", None).await.unwrap();
    cache.delete("gone").await.unwrap();
    let all = walk(&cache, 1, async |_| ()).await;
    assert_eq!(keys(&all), [""]);
}

#[tokio::test]
async fn what_cannot_be_read_is_counted_and_hides_nothing() {
    let (temp, cache) = folder();
    fill(&cache, 0..20).await;
    let record = |number: usize| {
        let name = spread(number);
        temp.path()
            .join("sessions/v1")
            .join(&name[..2])
            .join(name)
            .join("record")
    };
    fs::write(record(1), "no record").unwrap();
    fs::remove_file(record(2)).unwrap();
    std::os::unix::fs::symlink(temp.path().join("sessions/v1/sweep.lock"), record(2)).unwrap();
    let page = cache.page(None, 100).await.unwrap();
    assert_eq!(
        (page.entries.len(), page.unreadable, page.next),
        (18, 2, None)
    );
}

#[cfg(feature = "dynamic-file")]
#[tokio::test]
async fn a_corrupt_shard_is_counted_and_hides_no_other() {
    let (temp, cache) = dynamic(20 << 10);
    fill(&cache, 0..300).await;
    let before = walk(&cache, 1000, async |_| ()).await.len();
    cache.save().await.unwrap();
    drop(cache);
    let mut shards: Vec<_> = fs::read_dir(temp.path().join("sessions"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "sqlite"))
        .collect();
    shards.sort();
    assert!(shards.len() > 2, "{shards:?}");
    let length = usize::try_from(fs::metadata(&shards[1]).unwrap().len()).unwrap();
    fs::write(&shards[1], vec![b'x'; length]).unwrap();
    let cache = DynamicFileCache::open(temp.path().join("sessions")).unwrap();
    let (mut seen, mut unreadable, mut after) = (0, 0, None);
    loop {
        let page = cache.page(after.as_deref(), 25).await.unwrap();
        (seen, unreadable) = (seen + page.entries.len(), unreadable + page.unreadable);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert!(seen > 0 && seen < before, "{seen} of {before}");
    assert_eq!(unreadable, 1);
}

/// A cache of the five methods.
struct Five;

impl Cache for Five {
    async fn set(&self, _key: &str, _value: &[u8], _ttl: Option<Duration>) -> Result<()> {
        Ok(())
    }

    async fn get(&self, _key: &str) -> Result<Option<Bytes>> {
        Ok(None)
    }

    async fn delete(&self, _key: &str) -> Result<()> {
        Ok(())
    }

    async fn clear(&self) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_cache_of_five_methods_says_that_it_cannot_list() {
    let error = Five.page(None, 10).await.unwrap_err();
    assert!(error.to_string().contains("cannot list"), "{error}");
}
