use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;

use super::held::OVERHEAD;
use super::*;
use crate::store::{Cache, Durability, SessionKey, SessionStore, StoredSession, UserKey, Version};

/// What a future gives that is never pending, as every method of this cache promises.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the memory cache never waits"),
    }
}

fn now() -> u64 {
    Clock::default().now()
}

fn key(number: u128) -> SessionKey {
    SessionKey::from_bytes(number.to_be_bytes())
}

const USER: UserKey = UserKey::from_bytes([1; 16]);

/// A session of nobody, an hour long.
fn session(number: u128, bytes: &'static [u8]) -> StoredSession {
    StoredSession::new(
        key(number),
        Version::first(),
        None,
        now() + 3_600_000,
        bytes,
    )
}

fn of(user: UserKey, number: u128) -> StoredSession {
    StoredSession::new(
        key(number),
        Version::first(),
        Some(user),
        now() + 3_600_000,
        "1",
    )
}

fn ending(number: u128, expires: u64) -> StoredSession {
    StoredSession::new(key(number), Version::first(), None, expires, "1")
}

fn create(cache: &InMemoryCache, session: &StoredSession) {
    assert!(ready(cache.create(session, Durability::Crash)).unwrap());
}

fn replace(cache: &InMemoryCache, old: &StoredSession, new: &StoredSession) -> bool {
    ready(cache.replace(old.version(), new, Durability::Crash)).unwrap()
}

fn remove(cache: &InMemoryCache, number: u128) -> bool {
    ready(cache.remove(&key(number), None, Durability::Crash)).unwrap()
}

fn load(cache: &InMemoryCache, number: u128) -> Option<StoredSession> {
    ready(cache.load(&key(number))).unwrap()
}

/// Whether it is there, without using it.
fn has(cache: &InMemoryCache, number: u128) -> bool {
    let mut from = None;
    loop {
        let page = ready(cache.page(from.as_deref(), 1000)).unwrap();
        if page
            .sessions
            .iter()
            .any(|session| *session.key() == key(number))
        {
            return true;
        }
        let Some(next) = page.next else {
            return false;
        };
        from = Some(next);
    }
}

fn put(cache: &InMemoryCache, key: &str, value: &[u8]) {
    ready(cache.set(key, value, None)).unwrap();
}

fn get(cache: &InMemoryCache, key: &str) -> Option<Bytes> {
    ready(cache.get(key)).unwrap()
}

fn counts(cache: &InMemoryCache) -> (usize, usize) {
    let load = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    (load(&cache.entries), load(&cache.bytes))
}

const SECOND: Option<Duration> = Some(Duration::from_secs(1));

#[test]
fn keeps_the_handle_itself() {
    let cache = InMemoryCache::default();
    let session = session(1, &[7; 110]);
    create(&cache, &session);
    let loaded = load(&cache, 1).unwrap();
    assert!(std::ptr::eq(loaded.key(), session.key()));
    assert!(std::ptr::eq(
        loaded.bytes().as_ptr(),
        session.bytes().as_ptr()
    ));
}

#[test]
fn neither_side_sees_what_the_other_one_holds() {
    let cache = InMemoryCache::default();
    create(&cache, &of(USER, 1));
    put(&cache, "a", b"1");
    let page = ready(cache.page(None, 10)).unwrap();
    assert_eq!((page.sessions.len(), page.next), (1, None));
    ready(Cache::clear(&cache)).unwrap();
    assert!(has(&cache, 1) && get(&cache, "a").is_none());
    put(&cache, "a", b"1");
    ready(SessionStore::clear(&cache)).unwrap();
    assert!(!has(&cache, 1) && get(&cache, "a").is_some());
    assert!(ready(cache.of_user(&USER, 10)).unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_entry_whose_time_is_over_is_absent() {
    let cache = InMemoryCache::default();
    cache.set("a", b"1", SECOND).await.unwrap();
    cache.set("b", b"2", None).await.unwrap();
    tokio::time::advance(Duration::from_millis(999)).await;
    assert!(get(&cache, "a").is_some());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(get(&cache, "a").is_none());
    assert!(get(&cache, "b").is_some());
    put(&cache, "a", b"3");
    assert_eq!(get(&cache, "a").as_deref(), Some(&b"3"[..]));
}

#[test]
fn the_least_recently_used_goes_first() {
    let cache = InMemoryCache::new(3, 1 << 20);
    let sessions = [1, 2, 3].map(|number| session(number, b"1"));
    for session in &sessions {
        create(&cache, session);
    }
    load(&cache, 1);
    assert!(replace(&cache, &sessions[1], &session(2, b"2")));
    create(&cache, &session(4, b"1"));
    let left = [1, 2, 3, 4].map(|number| has(&cache, number));
    assert_eq!(left, [true, true, false, true]);
    put(&cache, "a", b"1");
    assert!(!has(&cache, 1) && has(&cache, 2));
}

#[test]
fn bytes_are_bounded_too() {
    let size = OVERHEAD + session(0, &[0; 500]).size();
    let cache = InMemoryCache::new(1000, 10 * size);
    let sessions: Vec<_> = (0..10).map(|number| session(number, &[0; 500])).collect();
    for session in &sessions {
        create(&cache, session);
    }
    assert!(has(&cache, 0));
    assert!(replace(&cache, &sessions[9], &session(9, &[0; 501])));
    assert!(!has(&cache, 0) && has(&cache, 1));
    create(&cache, &session(10, &[0; 2000]));
    assert!(!has(&cache, 1) && has(&cache, 9) && has(&cache, 10));
    assert!(counts(&cache).1 <= cache.max_bytes);
}

#[test]
fn what_is_larger_than_the_cache_is_refused_and_the_old_stays() {
    let cache = InMemoryCache::new(10, 1000);
    put(&cache, "a", b"1");
    let error = ready(cache.set("a", &[0; 1000], None)).unwrap_err();
    assert!(error.to_string().contains("1000 bytes"), "{error}");
    assert_eq!(get(&cache, "a").as_deref(), Some(&b"1"[..]));
    let old = session(1, b"1");
    create(&cache, &old);
    let large = session(1, &[0; 1000]);
    let error = ready(cache.replace(old.version(), &large, Durability::Crash)).unwrap_err();
    assert!(error.to_string().contains("1000 bytes"), "{error}");
    assert_eq!(load(&cache, 1).unwrap().bytes(), "1");
}

#[test]
fn expired_sessions_go_before_live_ones() {
    let cache = InMemoryCache::new(3, 1 << 20);
    create(&cache, &session(1, b"1"));
    create(&cache, &ending(2, now() - 1000));
    let theirs = StoredSession::new(key(3), Version::first(), Some(USER), now() - 1000, "1");
    create(&cache, &theirs);
    create(&cache, &session(4, b"1"));
    assert!(has(&cache, 1) && has(&cache, 4));
    assert_eq!(counts(&cache).0, 2);
}

#[tokio::test(start_paused = true)]
async fn expired_entries_go_before_live_sessions() {
    let cache = InMemoryCache::new(2, 1 << 20);
    create(&cache, &session(1, b"1"));
    cache.set("short", b"1", SECOND).await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    create(&cache, &session(2, b"1"));
    assert!(has(&cache, 1) && has(&cache, 2));
}

#[test]
fn logged_in_sessions_outlive_a_million_anonymous_ones() {
    let cache = InMemoryCache::new(5000, 64 << 20);
    for number in 0..1000 {
        create(&cache, &of(USER, number));
    }
    for number in 0..1_000_000 {
        create(&cache, &session(1_000_000 + number, b"anonymous"));
    }
    let kept = (0..1000).filter(|number| load(&cache, *number).is_some());
    assert_eq!(kept.count(), 1000);
    assert_eq!(ready(cache.of_user(&USER, 2000)).unwrap().len(), 1000);
    assert_eq!(counts(&cache).0, 5000);
}

#[test]
fn logged_in_sessions_are_bounded_too_and_logout_ends_the_privilege() {
    let cache = InMemoryCache::new(2, 1 << 20);
    let sessions = [1, 2, 3].map(|number| of(USER, number));
    for session in &sessions {
        create(&cache, session);
    }
    assert!(!has(&cache, 1) && has(&cache, 2));
    assert!(replace(&cache, &sessions[2], &session(3, b"anonymous")));
    create(&cache, &of(USER, 4));
    assert!(has(&cache, 2) && !has(&cache, 3) && has(&cache, 4));
}

#[test]
fn an_anonymous_session_is_refused_where_all_others_have_a_user() {
    let cache = InMemoryCache::new(2, 1 << 20);
    create(&cache, &of(USER, 1));
    create(&cache, &of(USER, 2));
    let error = ready(cache.create(&session(3, b"1"), Durability::Crash)).unwrap_err();
    let error = error.downcast_ref::<SessionError>();
    assert!(matches!(error, Some(SessionError::Full)), "{error:?}");
    assert!(has(&cache, 1) && has(&cache, 2) && !has(&cache, 3));
    assert_eq!(counts(&cache).0, 2);
    create(&cache, &of(USER, 4));
    assert!(!has(&cache, 1) && has(&cache, 4));
}

#[tokio::test(start_paused = true)]
async fn the_sweep_removes_entries_too() {
    let cache = InMemoryCache::default();
    cache.set("a", b"1", SECOND).await.unwrap();
    put(&cache, "b", b"1");
    assert_eq!(cache.remove_expired(0, 10).await.unwrap(), 0);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(cache.remove_expired(0, 10).await.unwrap(), 1);
    assert!(get(&cache, "b").is_some());
}

#[test]
fn users_are_found_after_slots_were_used_again() {
    let cache = InMemoryCache::new(100, 1 << 20);
    let user = |number: u8| UserKey::from_bytes([number; 16]);
    for round in 0..50 {
        for number in 0..20 {
            create(&cache, &of(user(round % 3), number));
        }
        for asked in 0..3 {
            let found = ready(cache.of_user(&user(asked), 100)).unwrap().len();
            assert_eq!(found, if asked == round % 3 { 20 } else { 0 });
        }
        for number in 0..20 {
            assert!(remove(&cache, number));
        }
    }
    assert_eq!(counts(&cache), (0, 0));
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
    let (entries, _) = counts(&cache);
    assert!(entries <= 2048, "{entries}");
    for user in 0..4 {
        let user = UserKey::from_bytes([user; 16]);
        for session in ready(cache.of_user(&user, usize::MAX)).unwrap() {
            assert_eq!(session.user(), Some(&user));
            assert!(ready(cache.load(session.key())).unwrap().is_some());
        }
    }
    ready(SessionStore::clear(&*cache)).unwrap();
    ready(Cache::clear(&*cache)).unwrap();
    assert_eq!(counts(&cache), (0, 0));
}

fn shuffle(cache: &InMemoryCache, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..50_000 {
        let number = random.u128(..2048);
        let user = random
            .bool()
            .then(|| UserKey::from_bytes([random.u8(..4); 16]));
        let bytes = &[1; 64][..random.usize(..64)];
        let expires = now() + random.u64(..2);
        let new = StoredSession::new(key(number), Version::first(), user, expires, bytes);
        match random.u8(..6) {
            0 => drop(remove(cache, number)),
            1 => drop(ready(cache.remove_expired(now(), 10))),
            // An anonymous one is refused while all others have a user.
            2 => drop(ready(cache.create(&new, Durability::Crash))),
            3 => put(cache, &number.to_string(), bytes),
            _ => drop(load(cache, number).map(|old| replace(cache, &old, &new))),
        }
    }
}

#[test]
fn debug_output_shows_no_keys_and_no_values() {
    let cache = InMemoryCache::default();
    put(&cache, "secret key", b"secret value");
    assert!(!format!("{cache:?}").contains("secret"));
}
