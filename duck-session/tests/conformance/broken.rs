//! Caches with one mistake each: the suite has to find it, under the name that the guide says.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use duck::{Bytes, Error, Result};
use duck_session::cache::{Cache, Entry, Listed, Page};
use duck_session::conformance::{Suite, run};
use futures_util::FutureExt;
use futures_util::future::join_all;

/// Between two steps that should be one: enough for others to get in between.
const MOMENT: Duration = Duration::from_micros(100);

/// What is wrong with a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    CreatesOverWhatIsThere,
    SwapsWhateverIsThere,
    SwapsInThreeSteps,
    BringsBackWhatWasDeleted,
    IgnoresTheTime,
    KeepsTheFirstTime,
    SwapsWhatExpired,
    TakesZeroForEver,
    WritesInTwoSteps,
    ReadsFromAFrontCache,
    SharesOneBuffer,
    KeepsNothing,
    SharesNothing,
    DeletesNothing,
    ClearsNothing,
    FoldsCase,
    EndsValuesAtNul,
    CutsLargeValues,
    RefusesTheEmptyKey,
    RemovesWhatIsAlive,
    CountsPlaces,
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
                Mistake::SharesNothing | Mistake::KeepsNothing => Arc::default(),
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
    const ATOMIC: bool = true;

    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        let panics = self.mistake == Mistake::Panics && value == b"second";
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

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Entry<'_>>,
    ) -> Result<bool> {
        let mut map = self.map();
        let seen = match self.mistake {
            Mistake::SwapsWhatExpired => map.get(key).map(|(value, _)| value.clone().into()),
            _ => self.look(&map, key),
        };
        if self.mistake == Mistake::SwapsInThreeSteps {
            drop(map);
            std::thread::sleep(MOMENT);
            map = self.map();
        }
        let swaps = match self.mistake {
            Mistake::CreatesOverWhatIsThere if expected.is_none() => true,
            Mistake::SwapsWhateverIsThere => seen.is_some() == expected.is_some(),
            Mistake::BringsBackWhatWasDeleted if seen.is_none() => true,
            _ => seen.as_deref() == expected,
        };
        match new {
            _ if !swaps => {}
            Some(entry) => self.put(&mut map, key, entry.value, entry.ttl),
            None => drop(map.remove(&self.key(key))),
        }
        Ok(swaps)
    }

    async fn remove_expired(&self, limit: usize) -> Result<usize> {
        if self.mistake == Mistake::RemovesWhatIsAlive {
            let mut map = self.map();
            let keys: Vec<_> = map.keys().take(limit).cloned().collect();
            map.retain(|key, _| !keys.contains(key));
            return Ok(keys.len());
        }
        Ok(0)
    }

    /// In the order of the keys; with the mistake, by counting from the front.
    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        let map = self.map();
        let mut keys: Vec<_> = map.keys().cloned().collect();
        keys.sort();
        let begin = match (self.mistake, after) {
            (_, None) => 0,
            (Mistake::CountsPlaces, Some(count)) => count.parse()?,
            (_, Some(after)) => keys.partition_point(|key| key.as_str() <= after),
        };
        let keys: Vec<_> = keys.into_iter().skip(begin).take(limit).collect();
        let next = match (self.mistake, keys.last()) {
            (_, None) => None,
            (Mistake::CountsPlaces, Some(_)) => Some((begin + keys.len()).to_string()),
            (_, Some(last)) => Some(last.clone()),
        };
        let listed = |key: &String| Listed::new(key.clone(), map[key].0.clone(), None);
        Ok(Page::new(keys.iter().map(listed).collect(), next))
    }
}

fn suite(mistake: Mistake) -> Suite<BrokenCache> {
    let cache = BrokenCache::new(mistake);
    let suite = Suite::new(move || std::future::ready(cache.again()));
    match mistake {
        Mistake::SharesNothing => suite.is_shared(),
        Mistake::KeepsNothing => suite.outlives_a_restart(),
        _ => suite.is_shared().outlives_a_restart(),
    }
}

/// The table of `docs/writing-a-cache.md`: what is wrong, and which check says so.
const FOUND_BY: [(Mistake, &str); 25] = [
    (Mistake::CreatesOverWhatIsThere, "creates_only_if_absent"),
    (Mistake::SwapsWhateverIsThere, "swaps_only_what_is_expected"),
    (Mistake::SwapsInThreeSteps, "lets_one_of_many_create"),
    (Mistake::SwapsInThreeSteps, "counts_every_swap"),
    (Mistake::SwapsInThreeSteps, "lets_no_swap_undo_a_delete"),
    (
        Mistake::BringsBackWhatWasDeleted,
        "keeps_what_was_deleted_deleted",
    ),
    (Mistake::IgnoresTheTime, "expires"),
    (Mistake::KeepsTheFirstTime, "counts_from_the_last_write"),
    (Mistake::SwapsWhatExpired, "expired_is_absent_to_a_swap"),
    (Mistake::TakesZeroForEver, "takes_any_time"),
    (Mistake::WritesInTwoSteps, "leaves_whole_values"),
    (Mistake::ReadsFromAFrontCache, "reads_what_was_written"),
    (Mistake::SharesOneBuffer, "keeps_writers_apart"),
    (Mistake::KeepsNothing, "is_there_after_reopening"),
    (Mistake::SharesNothing, "is_one_storage"),
    (Mistake::DeletesNothing, "deletes"),
    (Mistake::ClearsNothing, "clears"),
    (Mistake::FoldsCase, "keeps_keys_apart"),
    (Mistake::EndsValuesAtNul, "keeps_any_bytes"),
    (Mistake::CutsLargeValues, "keeps_large_values"),
    (Mistake::RefusesTheEmptyKey, "takes_any_key"),
    (Mistake::RemovesWhatIsAlive, "removes_only_what_expired"),
    (Mistake::CountsPlaces, "lists_each_entry_once"),
    (Mistake::FailsToSaveNothing, "saves_at_any_time"),
    (Mistake::Panics, "reads_what_was_written"),
];

#[tokio::test]
async fn without_a_mistake_nothing_is_found() {
    let report = suite(Mistake::None).report().await;
    assert!(report.is_kept(), "{report}");
}

#[tokio::test]
async fn each_mistake_is_found_by_the_check_of_its_name() {
    let suites = FOUND_BY.map(|(mistake, name)| suite(mistake).only(name).report());
    for ((mistake, name), report) in FOUND_BY.iter().zip(join_all(suites).await) {
        let found = report.broken().any(|check| check.name == *name);
        assert!(found, "{mistake:?} was not found by {name}: {report}");
    }
}

#[tokio::test]
async fn the_message_names_the_promise_and_what_was_seen() {
    let running = run(|| async { BrokenCache::new(Mistake::DeletesNothing) });
    let panic = AssertUnwindSafe(running).catch_unwind().await.unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("deletes: a deleted key is gone"), "{text}");
    assert!(text.contains("after `delete`, the key \"gone-"), "{text}");
    assert!(text.contains("held b\"1\" in place of nothing"), "{text}");
    assert!(!text.contains("clears: "), "{text}");
}

/// The table of the guide: check, promise, mistake.
fn documented() -> Vec<(String, String, bool)> {
    let page = include_str!("../../../docs/writing-a-cache.md");
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let name = cells.next()?.trim_end_matches('`').to_owned();
        let promise = cells.next()?.to_owned();
        Some((name, promise, !cells.next()?.is_empty()))
    };
    page.lines().filter_map(row).collect()
}

#[tokio::test]
async fn the_guide_lists_every_check_and_what_it_is_known_to_find() {
    let documented = documented();
    let report = suite(Mistake::None).report().await;
    let checks = report
        .checks()
        .iter()
        .map(|check| (check.name, check.promise));
    let listed = documented
        .iter()
        .map(|(name, promise, _)| (name.as_str(), promise.as_str()));
    assert_eq!(listed.collect::<Vec<_>>(), checks.collect::<Vec<_>>());
    for (name, _, finds) in &documented {
        let found = FOUND_BY.iter().any(|(_, check)| check == name);
        assert_eq!(*finds, found, "{name}");
    }
}
