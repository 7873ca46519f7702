//! Caches with one mistake each: the suite has to find it, under the name that the guide says.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use duck::{Bytes, Error, Result};
use duck_session::conformance::{Suite, cache};
use duck_session::store::Cache;
use futures_util::FutureExt;

use super::each_is_found;
use super::guide::{checks, table};

/// Between two steps that should be one: enough for others to get in between.
const MOMENT: Duration = Duration::from_micros(100);

/// What is wrong with a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    IgnoresTheTime,
    KeepsTheFirstTime,
    TakesZeroForEver,
    WritesInTwoSteps,
    ReadsFromAFrontCache,
    SharesOneBuffer,
    KeepsNothing,
    DeletesNothing,
    ClearsNothing,
    FoldsCase,
    EndsValuesAtNul,
    CutsLargeValues,
    RefusesTheEmptyKey,
    FailsToSaveNothing,
    Panics,
}

type Map = HashMap<String, (Vec<u8>, Option<Instant>)>;

#[derive(Default)]
struct Store {
    map: Mutex<Map>,
    unsaved: Mutex<bool>,
    buffer: Mutex<Vec<u8>>,
}

/// A map with locks, and a mistake.
#[derive(Clone)]
struct BrokenCache {
    mistake: Mistake,
    store: Arc<Store>,
    /// What this handle has read.
    front: Arc<Mutex<HashMap<String, Bytes>>>,
}

impl BrokenCache {
    fn new(mistake: Mistake) -> Self {
        Self {
            mistake,
            store: Arc::default(),
            front: Arc::default(),
        }
    }

    /// Another handle on the same storage.
    fn again(&self) -> Self {
        Self {
            front: Arc::default(),
            store: match self.mistake {
                Mistake::KeepsNothing => Arc::default(),
                _ => self.store.clone(),
            },
            ..*self
        }
    }

    fn map(&self) -> MutexGuard<'_, Map> {
        self.store.map.lock().unwrap()
    }

    fn key(&self, key: &str) -> String {
        match self.mistake {
            Mistake::FoldsCase => key.to_lowercase(),
            _ => key.to_owned(),
        }
    }

    fn put(&self, map: &mut Map, key: &str, value: &[u8], ttl: Option<Duration>) {
        let key = self.key(key);
        let value = match self.mistake {
            Mistake::EndsValuesAtNul => value.split(|byte| *byte == 0).next().unwrap(),
            Mistake::CutsLargeValues => &value[..value.len().min(65_535)],
            _ => value,
        };
        let ttl = match self.mistake {
            Mistake::IgnoresTheTime => None,
            Mistake::TakesZeroForEver => ttl.filter(|ttl| ttl.as_millis() > 0),
            _ => ttl,
        };
        let mut end = ttl.and_then(|ttl| Instant::now().checked_add(ttl));
        if self.mistake == Mistake::KeepsTheFirstTime
            && let Some((_, first)) = map.get(&key)
        {
            end = *first;
        }
        map.insert(key, (value.to_vec(), end));
        *self.store.unsaved.lock().unwrap() = true;
    }

    fn look(&self, map: &Map, key: &str) -> Option<Bytes> {
        let (value, end) = map.get(&self.key(key))?;
        let is_live = end.is_none_or(|end| end > Instant::now());
        is_live.then(|| Bytes::copy_from_slice(value))
    }
}

impl Cache for BrokenCache {
    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        let panics = self.mistake == Mistake::Panics && value.ends_with(b"second");
        assert!(!panics, "on purpose");
        if key.is_empty() && self.mistake == Mistake::RefusesTheEmptyKey {
            return Err(Error::internal("a key has at least one character"));
        }
        if self.mistake == Mistake::WritesInTwoSteps {
            self.put(&mut self.map(), key, &value[..value.len() / 2], ttl);
            std::thread::sleep(MOMENT);
        }
        if self.mistake == Mistake::SharesOneBuffer {
            *self.store.buffer.lock().unwrap() = value.to_vec();
            std::thread::sleep(MOMENT);
            let value = self.store.buffer.lock().unwrap().clone();
            self.put(&mut self.map(), key, &value, ttl);
            return Ok(());
        }
        self.put(&mut self.map(), key, value, ttl);
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        if self.mistake != Mistake::ReadsFromAFrontCache {
            return Ok(self.look(&self.map(), key));
        }
        let mut front = self.front.lock().unwrap();
        if let Some(value) = front.get(key) {
            return Ok(Some(value.clone()));
        }
        let found = self.look(&self.map(), key);
        if let Some(value) = &found {
            front.insert(key.to_owned(), value.clone());
        }
        Ok(found)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        if self.mistake != Mistake::DeletesNothing {
            self.map().remove(&self.key(key));
            self.front.lock().unwrap().remove(key);
        }
        Ok(())
    }

    async fn clear(&self) -> Result<()> {
        if self.mistake != Mistake::ClearsNothing {
            self.map().clear();
            self.front.lock().unwrap().clear();
        }
        Ok(())
    }

    async fn save(&self) -> Result<()> {
        let unsaved = std::mem::take(&mut *self.store.unsaved.lock().unwrap());
        if !unsaved && self.mistake == Mistake::FailsToSaveNothing {
            return Err(Error::internal("there is nothing to save"));
        }
        Ok(())
    }
}

fn suite(mistake: Mistake) -> Suite {
    let broken = BrokenCache::new(mistake);
    cache::suite(move || std::future::ready(broken.again())).outlives_a_restart()
}

/// What is wrong, and which check says so.
const FOUND_BY: [(Mistake, &str); 21] = [
    (Mistake::Panics, "loads_what_was_stored"),
    (Mistake::ReadsFromAFrontCache, "loads_what_was_stored"),
    (Mistake::EndsValuesAtNul, "keeps_any_bytes"),
    (Mistake::CutsLargeValues, "keeps_large_sessions"),
    (Mistake::RefusesTheEmptyKey, "takes_any_key"),
    (Mistake::FoldsCase, "tells_keys_apart"),
    (Mistake::DeletesNothing, "removes"),
    (Mistake::ClearsNothing, "clears"),
    (Mistake::FailsToSaveNothing, "flushes_at_any_time"),
    (Mistake::IgnoresTheTime, "expires"),
    (Mistake::KeepsTheFirstTime, "counts_from_the_last_write"),
    (Mistake::TakesZeroForEver, "takes_any_time"),
    (Mistake::WritesInTwoSteps, "shows_whole_sessions"),
    (Mistake::SharesOneBuffer, "keeps_writers_apart"),
    (Mistake::KeepsNothing, "is_there_after_reopening"),
    (Mistake::DeletesNothing, "knows_a_visitor_again"),
    (Mistake::ReadsFromAFrontCache, "counts_parallel_updates"),
    (Mistake::ReadsFromAFrontCache, "keeps_both_keys"),
    (Mistake::DeletesNothing, "keeps_a_logout"),
    (Mistake::ReadsFromAFrontCache, "gives_up_the_old_id"),
    (Mistake::KeepsNothing, "outlive_the_site"),
];

#[tokio::test]
async fn without_a_mistake_nothing_is_found_in_a_cache() {
    let report = suite(Mistake::None).report().await;
    assert!(report.is_kept(), "{report}");
}

#[tokio::test]
async fn each_mistake_in_a_cache_is_found_by_the_check_meant_for_it() {
    each_is_found(&FOUND_BY, suite).await;
}

#[tokio::test]
async fn the_message_about_a_cache_names_the_promise_and_what_was_seen() {
    let running = cache::suite(|| async { BrokenCache::new(Mistake::FoldsCase) }).run();
    let panic = AssertUnwindSafe(running).catch_unwind().await.unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    for part in [
        "1 of 42 promises are broken\n\n",
        "tells_keys_apart: keys that look alike hold each their own value\n",
        "    after its neighbours were set, the key ",
        "A\" in place of ",
    ] {
        assert!(text.contains(part), "{text}");
    }
    // Sessions over it would break for the same reason: they are not tried.
    assert!(!text.contains("knows_a_visitor_again: "), "{text}");
}

#[tokio::test]
async fn the_guide_lists_every_check_of_a_cache() {
    let report = suite(Mistake::None).only("none of them").report().await;
    let (own, of_a_store) = (
        table("What is asked of a cache"),
        table("What is asked of a store"),
    );
    let checks = checks(&report);
    assert_eq!(checks[..own.len()], own);
    let found_by = FOUND_BY.map(|(_, name)| name);
    assert!(own.iter().all(|(name, _)| found_by.contains(name)));
    let shared = [
        "is_one_store",
        "handles_race_as_threads_do",
        "two_sites_share",
    ];
    let of_a_store: Vec<_> = of_a_store
        .into_iter()
        .filter(|(name, _)| !shared.contains(name))
        .collect();
    assert_eq!(checks[own.len()..], of_a_store);
}
