//! One suite for every storage: first what a cache promises, then sessions over it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use duck_core::testing::TestClient;
use duck_core::{Bytes, Request, Result, Settings, text};
use duck_session::SessionMiddleware;
use duck_session::cache::{Cache, Entry, InMemoryCache};

use crate::support::{Gate, id, over, page, read, settings, visit, with_id};

/// A cache of a site's own: the five methods, and no thought of concurrency.
#[derive(Clone, Default)]
struct TinyCache(Arc<Mutex<HashMap<String, TinyEntry>>>);

/// The value, and when its time is over.
type TinyEntry = (Vec<u8>, Option<Instant>);

impl Cache for TinyCache {
    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        let end = ttl.and_then(|ttl| Instant::now().checked_add(ttl));
        tokio::task::yield_now().await;
        let entry = (value.to_vec(), end);
        self.0.lock().unwrap().insert(key.to_owned(), entry);
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let found = self.0.lock().unwrap().get(key).cloned();
        tokio::task::yield_now().await;
        let live = found.filter(|(_, end)| end.is_none_or(|end| end > Instant::now()));
        Ok(live.map(|(value, _)| value.into()))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.0.lock().unwrap().remove(key);
        Ok(())
    }

    async fn clear(&self) -> Result<()> {
        self.0.lock().unwrap().clear();
        Ok(())
    }

    async fn save(&self) -> Result<()> {
        Ok(())
    }
}

/// A storage as the tests need it: opened in a folder, and chosen by settings.
trait Storage {
    type Cache: Cache + Clone;
    /// Whether what is stored is there for the next one who opens the folder.
    const STAYS: bool = true;

    fn open(dir: &Path) -> Self::Cache;

    fn sessions(_dir: &Path) -> SessionMiddleware {
        SessionMiddleware::new()
    }

    fn settings(dir: &Path) -> Settings {
        let name = std::any::type_name::<Self::Cache>();
        settings()
            .with("SESSION_STORAGE", name.rsplit("::").next().unwrap())
            .with("SESSION_DIR", dir.to_str().unwrap())
    }

    fn visitor(dir: &Path, more: impl IntoIterator<Item = duck_core::UrlPattern>) -> TestClient {
        visit(Self::settings(dir), Self::sessions(dir), more)
    }
}

struct Tiny;

impl Storage for Tiny {
    type Cache = TinyCache;
    const STAYS: bool = false;

    fn open(_dir: &Path) -> TinyCache {
        TinyCache::default()
    }

    fn sessions(dir: &Path) -> SessionMiddleware {
        over(&Self::open(dir))
    }

    fn settings(_dir: &Path) -> Settings {
        settings().with("SESSION_STORAGE", "my.site.TestCache")
    }
}

struct Memory;

/// `InMemoryCache` is no handle: it is shared by the one site that has it.
#[derive(Clone)]
struct SharedMemory(Arc<InMemoryCache>);

impl Cache for SharedMemory {
    const ATOMIC: bool = true;
    const IN_PROCESS: bool = true;

    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        self.0.set(key, value, ttl).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.0.get(key).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.0.delete(key).await
    }

    async fn clear(&self) -> Result<()> {
        self.0.clear().await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Entry<'_>>,
    ) -> Result<bool> {
        self.0.compare_and_swap(key, expected, new).await
    }
}

impl Storage for Memory {
    type Cache = SharedMemory;
    const STAYS: bool = false;

    fn open(_dir: &Path) -> SharedMemory {
        SharedMemory(Arc::new(InMemoryCache::new(1000, 16 << 20)))
    }

    fn settings(_dir: &Path) -> Settings {
        settings()
    }
}

macro_rules! suite {
    ($($name:ident: $storage:ty),* $(,)?) => {$(
        mod $name {
            use super::*;

            suite!(@ $storage:
                keeps_what_it_is_given, forgets_in_time, swaps_only_what_is_expected,
                swaps_of_many_at_once_all_count, a_visitor_is_known_again,
                two_hundred_parallel_updates_count_two_hundred, requests_keep_each_others_keys,
                a_logout_that_races_a_slow_write_stays, a_new_id_leaves_no_old_one,
                sessions_outlive_the_site, two_sites_on_one_folder_see_the_same,
            );
        }
    )*};
    (@ $storage:ty: $($test:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $test() {
            let temp = tempfile::tempdir().unwrap();
            super::$test::<$storage>(&temp.path().join("sessions")).await;
        }
    )*};
}

/// The suite for a storage that keeps files in a folder.
macro_rules! suite_on_disk {
    ($name:ident: $cache:ident) => {
        struct $cache;

        impl Storage for $cache {
            type Cache = duck_session::cache::$cache;

            fn open(dir: &Path) -> Self::Cache {
                Self::Cache::open(dir).unwrap()
            }
        }

        suite!($name: $cache);
    };
}

suite!(memory: Memory, custom: Tiny);
suite_on_disk!(folder: KeyAsFolderCache);
#[cfg(feature = "dynamic-file")]
suite_on_disk!(dynamic_file: DynamicFileCache);

async fn value(cache: &impl Cache, key: &str) -> Option<Vec<u8>> {
    cache.get(key).await.unwrap().map(Into::into)
}

async fn keeps_what_it_is_given<S: Storage>(dir: &Path) {
    let cache = S::open(dir);
    let large: Vec<u8> = (0..1 << 20).map(|n: u32| n.to_le_bytes()[0]).collect();
    let hash = "0123456789abcdef".repeat(4);
    for key in [
        "a", "", ".", "..", "../x", "/abs", "a\0b", "ключ", "A", &hash,
    ] {
        assert_eq!(value(&cache, key).await, None, "{key:?}");
        for bytes in [&b"one"[..], b"", b"\0\xff\r\n", &large] {
            cache.set(key, bytes, None).await.unwrap();
            assert!(
                value(&cache, key).await.as_deref() == Some(bytes),
                "{key:?}"
            );
        }
        cache.set(key, key.as_bytes(), None).await.unwrap();
    }
    cache.save().await.unwrap();
    assert_eq!(
        value(&cache, "a").await.unwrap(),
        b"a",
        "keys differ by case"
    );
    assert_eq!(value(&cache, "A").await.unwrap(), b"A");
    cache.delete("a").await.unwrap();
    cache.delete("a").await.unwrap();
    assert_eq!(value(&cache, "a").await, None);
    assert_eq!(value(&cache, "A").await.unwrap(), b"A");
    cache.clear().await.unwrap();
    for key in ["A", "", &hash] {
        assert_eq!(value(&cache, key).await, None);
    }
    cache.set("a", b"again", None).await.unwrap();
    assert_eq!(value(&cache, "a").await.unwrap(), b"again");
}

async fn forgets_in_time<S: Storage>(dir: &Path) {
    let cache = S::open(dir);
    let (over, hour) = (Some(Duration::ZERO), Some(Duration::from_hours(1)));
    cache.set("a", b"1", over).await.unwrap();
    assert_eq!(value(&cache, "a").await, None);
    cache.set("a", b"2", hour).await.unwrap();
    assert_eq!(value(&cache, "a").await.unwrap(), b"2");
    cache.set("a", b"3", Some(Duration::MAX)).await.unwrap();
    assert_eq!(value(&cache, "a").await.unwrap(), b"3");
    cache.set("a", b"4", over).await.unwrap();
    assert_eq!(value(&cache, "a").await, None);
    let swap = |expected, value| cache.compare_and_swap("a", expected, Some(Entry::new(value)));
    assert!(!swap(Some(b"4"), b"5").await.unwrap(), "expired is absent");
    assert!(swap(None, b"5").await.unwrap());
    cache.remove_expired(100).await.unwrap();
    assert_eq!(value(&cache, "a").await.unwrap(), b"5");
}

async fn swaps_only_what_is_expected<S: Storage>(dir: &Path) {
    let cache = S::open(dir);
    let swap = async |expected: Option<&[u8]>, new: Option<&[u8]>| {
        let new = new.map(|new| Entry::new(new).ttl(Duration::from_hours(1)).durable());
        cache.compare_and_swap("a", expected, new).await.unwrap()
    };
    assert!(!swap(Some(b"1"), Some(b"2")).await);
    assert!(!swap(Some(b""), Some(b"2")).await);
    assert!(swap(None, None).await);
    assert!(swap(None, Some(b"1")).await);
    assert!(!swap(None, Some(b"2")).await);
    assert!(!swap(None, None).await);
    assert!(!swap(Some(b"2"), None).await);
    assert!(!swap(Some(b"12"), Some(b"3")).await);
    assert!(swap(Some(b"1"), Some(b"1")).await);
    assert!(swap(Some(b"1"), Some(b"2")).await);
    assert_eq!(value(&cache, "a").await.unwrap(), b"2");
    assert!(swap(Some(b"2"), None).await);
    assert!(
        !swap(Some(b"2"), Some(b"3")).await,
        "a deleted key came back"
    );
    assert_eq!(value(&cache, "a").await, None);
}

async fn swaps_of_many_at_once_all_count<S: Storage>(dir: &Path) {
    if !S::Cache::ATOMIC {
        return; // the engine keeps such a cache to one writer
    }
    let cache = S::open(dir);
    cache.set("n", b"0", None).await.unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let cache = cache.clone();
            tokio::spawn(async move {
                for _ in 0..25 {
                    loop {
                        let seen = cache.get("n").await.unwrap().unwrap();
                        let number: u32 = std::str::from_utf8(&seen).unwrap().parse().unwrap();
                        let next = (number + 1).to_string();
                        let new = Entry::new(next.as_bytes());
                        let swap = cache.compare_and_swap("n", Some(&seen), Some(new));
                        if swap.await.unwrap() {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(value(&cache, "n").await.unwrap(), b"100");
}

async fn a_visitor_is_known_again<S: Storage>(dir: &Path) {
    let client = S::visitor(dir, []);
    assert_eq!(read(&client, "/get/a").await, "nothing");
    assert_eq!(client.cookie("session_id"), None);
    let response = client.get("/set/a/1").await;
    assert_eq!(response.set_cookies().len(), 1);
    assert_eq!(read(&client, "/get/a").await, "\"1\"");
    let response = client.get("/set/b/2").await;
    assert_eq!(response.set_cookies(), [""; 0], "the cookie is right");
    read(&client, "/remove/a").await;
    assert_eq!(read(&client, "/get/a").await, "nothing");
    assert_eq!(read(&client, "/get/b").await, "\"2\"");
    assert_eq!(read(&client.another(), "/get/b").await, "nothing");
    let old = id(&client);
    read(&client, "/logout").await;
    assert_eq!(client.cookie("session_id"), None);
    assert_eq!(read(&with_id(&client, &old), "/get/b").await, "nothing");
}

async fn two_hundred_parallel_updates_count_two_hundred<S: Storage>(dir: &Path) {
    let client = Arc::new(S::visitor(dir, []));
    read(&client, "/login/7").await;
    let requests: Vec<_> = (0..200)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.get("/add/n").await.status() })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await.unwrap(), 200);
    }
    assert_eq!(read(&client, "/get/n").await, "200");
    assert_eq!(read(&client, "/user").await, "7");
}

/// A page that loads the session, waits at the gate, and then saves.
fn slow(gate: &Gate) -> [duck_core::UrlPattern; 1] {
    let gate = gate.clone();
    [page("/slow", move |request: Request| {
        let gate = gate.clone();
        async move {
            request.session.set("slow", 1).await?;
            gate.pass().await;
            Ok(text(""))
        }
    })]
}

async fn requests_keep_each_others_keys<S: Storage>(dir: &Path) {
    let gate = Gate::new();
    let client = S::visitor(dir, slow(&gate));
    read(&client, "/set/begun/1").await;
    tokio::join!(read(&client, "/slow"), async {
        gate.reached().await;
        read(&client, "/set/fast/2").await;
        gate.open();
    });
    assert_eq!(read(&client, "/get/slow").await, "1");
    assert_eq!(read(&client, "/get/fast").await, "\"2\"");
    assert_eq!(read(&client, "/get/begun").await, "\"1\"");
}

async fn a_logout_that_races_a_slow_write_stays<S: Storage>(dir: &Path) {
    let gate = Gate::new();
    let client = S::visitor(dir, slow(&gate));
    read(&client, "/login/7").await;
    let tab = with_id(&client, &id(&client));
    let (response, ()) = tokio::join!(tab.get("/slow").into_future(), async {
        gate.reached().await;
        read(&client, "/logout").await;
        gate.open();
    });
    assert_eq!(response.status(), 200);
    assert_eq!(response.set_cookies(), [""; 0]);
    assert_eq!(read(&tab, "/user").await, "nobody");
    assert_eq!(read(&tab, "/get/slow").await, "nothing");
}

async fn a_new_id_leaves_no_old_one<S: Storage>(dir: &Path) {
    let gate = Gate::new();
    let client = S::visitor(dir, slow(&gate));
    read(&client, "/set/a/1").await;
    for path in ["/cycle", "/login/7"] {
        let tab = with_id(&client, &id(&client));
        tokio::join!(read(&tab, "/slow"), async {
            gate.reached().await;
            read(&client, path).await;
            gate.open();
        });
        assert_eq!(read(&tab, "/get/a").await, "nothing", "{path}");
        assert_eq!(read(&client, "/get/a").await, "\"1\"", "{path}");
    }
    assert_eq!(read(&client, "/user").await, "7");
}

async fn sessions_outlive_the_site<S: Storage>(dir: &Path) {
    if !S::STAYS {
        return;
    }
    let first = S::visitor(dir, []);
    read(&first, "/login/7").await;
    first.site().stop().await;
    let cookie = id(&first);
    drop(first);
    let second = S::visitor(dir, []);
    second.set_cookie("session_id", &cookie);
    assert_eq!(read(&second, "/user").await, "7");
    read(&second, "/logout").await;
    drop(second);
    let third = S::visitor(dir, []);
    third.set_cookie("session_id", &cookie);
    assert_eq!(read(&third, "/user").await, "nobody");
}

async fn two_sites_on_one_folder_see_the_same<S: Storage>(dir: &Path) {
    if !S::STAYS {
        return;
    }
    let (here, there) = (S::visitor(dir, []), S::visitor(dir, []));
    read(&here, "/set/a/1").await;
    there.set_cookie("session_id", &id(&here));
    assert_eq!(read(&there, "/get/a").await, "\"1\"");
    let add = async |client: &TestClient| {
        for _ in 0..50 {
            read(client, "/add/n").await;
        }
    };
    tokio::join!(add(&here), add(&there), add(&here));
    assert_eq!(read(&here, "/get/n").await, "150");
    read(&there, "/logout").await;
    assert_eq!(read(&here, "/get/a").await, "nothing");
}
