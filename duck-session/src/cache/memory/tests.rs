use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::*;

/// The result of a future that is never pending, as every method of this cache promises.
fn now<T>(future: impl Future<Output = Result<T>>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.unwrap(),
        Poll::Pending => panic!("the memory cache never waits"),
    }
}

fn put(cache: &InMemoryCache, key: &str, value: &[u8]) {
    now(cache.set(key, value, None));
}

fn has(cache: &InMemoryCache, key: &str) -> bool {
    let shard = lock(&cache.shards[0]);
    let place = shard.place(cache.hash(key), key.as_bytes());
    place.is_some_and(|place| shard.peek(place, cache.now()).is_some())
}

fn get(cache: &InMemoryCache, key: &str) -> Option<Bytes> {
    now(cache.get(key))
}

const SECOND: Option<Duration> = Some(Duration::from_secs(1));

#[test]
fn keeps_replaces_and_removes() {
    let cache = InMemoryCache::default();
    assert_eq!(get(&cache, "a"), None);
    put(&cache, "a", b"one");
    put(&cache, "a", b"two");
    put(&cache, "", b"");
    assert_eq!(get(&cache, "a").as_deref(), Some(&b"two"[..]));
    assert_eq!(get(&cache, "").as_deref(), Some(&b""[..]));
    now(cache.delete("a"));
    now(cache.delete("a"));
    assert_eq!(get(&cache, "a"), None);
    now(cache.clear());
    assert_eq!(get(&cache, ""), None);
    assert_eq!(
        (cache.entries.into_inner(), cache.bytes.into_inner()),
        (0, 0)
    );
}

#[test]
fn reads_share_one_allocation() {
    let cache = InMemoryCache::default();
    put(&cache, "a", &[7; 110]);
    let (one, two) = (get(&cache, "a").unwrap(), get(&cache, "a").unwrap());
    assert_eq!(one.as_ptr(), two.as_ptr());
}

#[tokio::test(start_paused = true)]
async fn what_is_expired_is_absent() {
    let cache = InMemoryCache::default();
    cache.set("a", b"1", SECOND).await.unwrap();
    cache.set("b", b"2", None).await.unwrap();
    tokio::time::advance(Duration::from_millis(999)).await;
    assert!(get(&cache, "a").is_some());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(get(&cache, "a").is_none());
    assert!(!now(cache.compare_and_swap("a", Some(b"1"), None)));
    assert!(now(cache.compare_and_swap(
        "a",
        None,
        Some(Entry::new(b"3"))
    )));
    assert_eq!(get(&cache, "a").as_deref(), Some(&b"3"[..]));
}

#[test]
fn a_very_long_ttl_is_no_overflow() {
    let cache = InMemoryCache::default();
    now(cache.set("a", b"1", Some(Duration::MAX)));
    assert!(get(&cache, "a").is_some());
}

#[test]
fn swaps_only_what_is_expected() {
    let cache = InMemoryCache::default();
    let swap = |expected: Option<&[u8]>, new: Option<&'static [u8]>| {
        now(cache.compare_and_swap("a", expected, new.map(Entry::new)))
    };
    assert!(!swap(Some(b"1"), Some(b"2")));
    assert!(swap(None, None));
    assert!(swap(None, Some(b"1")));
    assert!(!swap(None, Some(b"2")));
    assert!(!swap(None, None));
    assert!(!swap(Some(b"2"), None));
    assert!(swap(Some(b"1"), Some(b"2")));
    let held = get(&cache, "a").unwrap();
    assert!(swap(Some(&held), None));
    assert!(!swap(Some(b"2"), Some(b"3")), "a removed key came back");
    assert_eq!(get(&cache, "a"), None);
}

#[test]
fn the_least_recently_used_goes_first() {
    let cache = InMemoryCache::new(3, 1 << 20);
    for key in ["a", "b", "c"] {
        put(&cache, key, b"1");
    }
    get(&cache, "a");
    put(&cache, "b", b"2");
    put(&cache, "d", b"1");
    let left = ["a", "b", "c", "d"].map(|key| has(&cache, key));
    assert_eq!(left, [true, true, false, true]);
}

#[test]
fn bytes_are_bounded_too() {
    let cache = InMemoryCache::new(1000, 10 * (OVERHEAD + 1 + 500));
    for number in 0..10 {
        put(&cache, &number.to_string(), &[0; 500]);
    }
    assert!(has(&cache, "0"));
    put(&cache, "9", &[0; 501]);
    assert!(!has(&cache, "0") && has(&cache, "1"));
    put(&cache, "x", &[0; 2000]);
    assert!(!has(&cache, "3") && has(&cache, "4") && has(&cache, "x"));
    assert!(cache.bytes.load(Ordering::Relaxed) <= cache.max_bytes);
}

#[test]
fn a_value_larger_than_the_cache_is_refused_and_the_old_one_stays() {
    let cache = InMemoryCache::new(10, 1000);
    put(&cache, "a", b"1");
    let write = pin!(cache.set("a", &[0; 1000], None));
    let Poll::Ready(Err(error)) = write.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("stored more than it may hold");
    };
    assert!(error.to_string().contains("1000 bytes"), "{error}");
    assert_eq!(get(&cache, "a").as_deref(), Some(&b"1"[..]));
}

#[tokio::test(start_paused = true)]
async fn expired_entries_go_before_live_ones() {
    let cache = InMemoryCache::new(3, 1 << 20);
    put(&cache, "oldest", b"1");
    cache.set("short", b"1", SECOND).await.unwrap();
    cache.set("user", b"1", SECOND).await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    put(&cache, "new", b"1");
    assert!(has(&cache, "oldest") && has(&cache, "new"));
    assert_eq!(cache.entries.load(Ordering::Relaxed), 2);
}

#[test]
fn logged_in_sessions_outlive_a_million_anonymous_ones() {
    let cache =
        InMemoryCache::new(5000, 64 << 20).with_priority(|value| value.starts_with(b"user"));
    for number in 0..1000 {
        put(&cache, &format!("user {number}"), b"user");
    }
    for number in 0..1_000_000 {
        put(&cache, &format!("crawler {number}"), b"anonymous");
    }
    let kept = (0..1000).filter(|number| get(&cache, &format!("user {number}")).is_some());
    assert_eq!(kept.count(), 1000);
    assert_eq!(cache.entries.load(Ordering::Relaxed), 5000);
}

#[test]
fn logged_in_sessions_are_bounded_too_and_logout_ends_the_privilege() {
    let cache = InMemoryCache::new(2, 1 << 20).with_priority(|value| value == b"user");
    put(&cache, "a", b"user");
    put(&cache, "b", b"user");
    put(&cache, "c", b"user");
    assert!(!has(&cache, "a") && has(&cache, "b"));
    put(&cache, "c", b"anonymous");
    put(&cache, "d", b"user");
    assert!(has(&cache, "b") && !has(&cache, "c") && has(&cache, "d"));
}

#[tokio::test(start_paused = true)]
async fn the_sweep_keeps_to_its_limit_and_leaves_live_entries() {
    let cache = InMemoryCache::new(100_000, 256 << 20);
    for number in 0..1000 {
        let ttl = Duration::from_secs(1 + number % 2);
        cache
            .set(&number.to_string(), b"1", Some(ttl))
            .await
            .unwrap();
    }
    assert_eq!(now(cache.remove_expired(400)), 0);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(now(cache.remove_expired(400)), 400);
    assert_eq!(now(cache.remove_expired(400)), 100);
    assert_eq!(now(cache.remove_expired(400)), 0);
    assert!(get(&cache, "1").is_some());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(now(cache.remove_expired(usize::MAX)), 500);
    assert_eq!(cache.entries.load(Ordering::Relaxed), 0);
}

#[test]
fn increments_from_eight_threads_all_count() {
    let cache = Arc::new(InMemoryCache::default());
    put(&cache, "n", b"0");
    let add = |cache: &InMemoryCache| {
        let held = get(cache, "n").unwrap();
        let next = str::from_utf8(&held).unwrap().parse::<u32>().unwrap() + 1;
        let next = next.to_string();
        now(cache.compare_and_swap("n", Some(&held), Some(Entry::new(next.as_bytes()))))
    };
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let cache = cache.clone();
            std::thread::spawn(move || (0..1000).for_each(|_| while !add(&cache) {}))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(get(&cache, "n").as_deref(), Some(&b"8000"[..]));
}

#[test]
fn counts_agree_with_contents_after_random_use_by_threads() {
    let cache = Arc::new(InMemoryCache::new(2048, 4 << 20));
    let threads: Vec<_> = (0..4)
        .map(|seed| {
            let cache = cache.clone();
            std::thread::spawn(move || shuffle(&cache, seed))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let removed: Vec<_> = cache
        .shards
        .iter()
        .flat_map(|shard| lock(shard).clear())
        .collect();
    assert!(removed.len() <= 2048);
    cache.count_removed(removed);
    assert_eq!(cache.entries.load(Ordering::Relaxed), 0);
    assert_eq!(cache.bytes.load(Ordering::Relaxed), 0);
}

fn shuffle(cache: &InMemoryCache, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..50_000 {
        let key = random.u16(..4096).to_string();
        match random.u8(..4) {
            0 => now(cache.delete(&key)),
            1 => drop(get(cache, &key)),
            _ => now(cache.set(&key, &[1; 64][..random.usize(..64)], SECOND)),
        }
    }
}

#[test]
fn debug_output_shows_no_keys_and_no_values() {
    let cache = InMemoryCache::default();
    put(&cache, "secret key", b"secret value");
    assert!(!format!("{cache:?}").contains("secret"));
}
