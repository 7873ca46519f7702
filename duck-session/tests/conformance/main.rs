//! The published suite on every storage that comes with Duck and on one of five methods, and on
//! caches that are broken on purpose: each has to fail.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod broken;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use duck::{Bytes, Result};
use duck_session::cache::{Cache, InMemoryCache, KeyAsFolderCache};
use duck_session::conformance::{Outcome, Suite, run};

/// A folder for a cache, gone when the test is over.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("sessions");
    (temp, dir)
}

/// Gives the same cache, or another handle on it, whenever it is asked.
fn opens<C>(
    open: impl Fn() -> C + Send + Sync,
) -> impl Fn() -> std::future::Ready<C> + Send + Sync {
    move || std::future::ready(open())
}

#[tokio::test]
async fn the_memory_cache_conforms() {
    run(|| async { InMemoryCache::new(1000, 64 << 20) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shared_memory_cache_conforms() {
    let cache = Arc::new(InMemoryCache::new(1000, 64 << 20));
    let suite = Suite::new(opens(move || cache.clone()));
    suite.outlives_a_restart().is_shared().run().await;
}

#[tokio::test]
async fn the_folder_cache_conforms() {
    let (_temp, dir) = folder();
    let suite = Suite::new(opens(move || KeyAsFolderCache::open(&dir).unwrap()));
    suite.outlives_a_restart().is_shared().run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clones_of_the_folder_cache_are_one_storage() {
    let (_temp, dir) = folder();
    let cache = KeyAsFolderCache::open(&dir).unwrap();
    let suite = Suite::new(opens(move || cache.clone()));
    suite.is_shared().only("is_one_storage").run().await;
}

#[cfg(feature = "dynamic-file")]
mod dynamic_file {
    use super::*;
    use duck_session::cache::DynamicFileCache;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn the_dynamic_file_cache_conforms() {
        let (_temp, dir) = folder();
        let suite = Suite::new(opens(move || DynamicFileCache::open(&dir).unwrap()));
        suite.outlives_a_restart().is_shared().run().await;
    }

    /// With a shard for each key.
    #[tokio::test]
    async fn the_dynamic_file_cache_conforms_with_many_shards() {
        let (_temp, dir) = folder();
        let open = move || {
            let options = DynamicFileCache::options();
            options.shard_bytes(1 << 16).open(&dir).unwrap()
        };
        let suite = Suite::new(opens(open));
        suite.outlives_a_restart().is_shared().run().await;
    }

    #[tokio::test]
    async fn clones_of_the_dynamic_file_cache_are_one_storage() {
        let (_temp, dir) = folder();
        let cache = DynamicFileCache::open(&dir).unwrap();
        let suite = Suite::new(opens(move || cache.clone()));
        suite.is_shared().only("is_one_storage").run().await;
    }
}

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

#[tokio::test]
async fn a_cache_of_five_methods_conforms() {
    run(|| async { TinyCache::default() }).await;
}

#[tokio::test]
async fn a_cache_is_held_only_to_what_it_promises() {
    let cache = TinyCache::default();
    let suite = Suite::new(opens(move || cache.clone()));
    let report = suite.is_shared().report().await;
    assert!(report.is_kept(), "{report}");
    let skipped =
        |check: &&duck_session::conformance::Check| matches!(check.outcome, Outcome::Skipped(_));
    let names = report
        .checks()
        .iter()
        .filter(skipped)
        .map(|check| check.name);
    assert_eq!(
        names.collect::<Vec<_>>(),
        [
            "lets_one_of_many_create",
            "counts_every_swap",
            "lets_no_swap_undo_a_delete",
            "is_there_after_reopening",
            "outlive_the_site",
        ]
    );
}
