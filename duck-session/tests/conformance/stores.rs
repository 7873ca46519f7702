//! The suites on what comes with Duck, and on a cache of five methods.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use duck::{Bytes, Result};
use duck_session::conformance::{Outcome, Report, cache, store};
use duck_session::store::{Cache, InMemoryCache, KeyAsFolderCache};

fn memory() -> InMemoryCache {
    InMemoryCache::new(1000, 64 << 20)
}

#[tokio::test]
async fn the_memory_store_conforms() {
    store::suite(|| async { memory() }).run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shared_memory_store_of_many_parts_conforms() {
    let memory = Arc::new(InMemoryCache::default());
    let suite = store::suite(move || std::future::ready(memory.clone()));
    suite.outlives_a_restart().is_shared().run().await;
}

#[tokio::test]
async fn the_cache_in_memory_conforms() {
    cache::suite(|| async { memory() }).run().await;
}

/// A folder for a storage, gone when the test is over.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("sessions");
    (temp, dir)
}

/// Opens the storage in `dir` whenever it is asked.
fn opens<S, F>(
    dir: PathBuf,
    open: impl Fn(PathBuf) -> F + Send + Sync,
) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = S> + Send>> + Send + Sync
where
    F: Future<Output = Result<S>> + Send + 'static,
{
    move || {
        let opening = open(dir.clone());
        Box::pin(async { opening.await.unwrap() })
    }
}

#[tokio::test]
async fn the_folder_store_conforms() {
    let (_temp, dir) = folder();
    let suite = store::suite(opens(dir, KeyAsFolderCache::open));
    suite.outlives_a_restart().is_shared().run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clones_of_the_folder_store_are_one_store() {
    let (_temp, dir) = folder();
    let folder = KeyAsFolderCache::open(dir).await.unwrap();
    let suite = store::suite(move || std::future::ready(folder.clone()));
    suite.is_shared().run().await;
}

#[tokio::test]
async fn the_cache_in_a_folder_conforms() {
    let (_temp, dir) = folder();
    let suite = cache::suite(opens(dir, KeyAsFolderCache::open));
    suite.outlives_a_restart().run().await;
}

#[cfg(feature = "dynamic-file")]
mod dynamic_file {
    use super::*;
    use duck_session::store::{DynamicFileCache, SqliteFile};

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn the_dynamic_file_store_conforms() {
        let (_temp, dir) = folder();
        let suite = store::suite(opens(dir, DynamicFileCache::open));
        suite.outlives_a_restart().is_shared().run().await;
    }

    #[tokio::test]
    async fn the_dynamic_file_store_conforms_with_many_shards() {
        let (_temp, dir) = folder();
        let open = |dir| DynamicFileCache::options().shard_bytes(0).open(dir);
        let suite = store::suite(opens(dir, open));
        suite.outlives_a_restart().is_shared().run().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn clones_of_the_dynamic_file_store_are_one_store() {
        let (_temp, dir) = folder();
        let dynamic = DynamicFileCache::open(dir).await.unwrap();
        let suite = store::suite(move || std::future::ready(dynamic.clone()));
        suite.is_shared().run().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn the_store_in_one_file_conforms() {
        let temp = tempfile::tempdir().unwrap();
        let suite = store::suite(opens(temp.path().join("sessions.db"), SqliteFile::open));
        suite.outlives_a_restart().is_shared().run().await;
    }

    #[tokio::test]
    async fn the_cache_in_dynamic_files_conforms() {
        let (_temp, dir) = folder();
        let suite = cache::suite(opens(dir, DynamicFileCache::open));
        suite.outlives_a_restart().run().await;
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

/// The checks that a suite left out.
fn skipped(report: &Report) -> Vec<&'static str> {
    let checks = report.checks().iter();
    let skipped = checks.filter(|check| matches!(check.outcome, Outcome::Skipped(_)));
    skipped.map(|check| check.name).collect()
}

#[tokio::test]
async fn a_cache_is_held_only_to_what_it_promises() {
    let report = cache::suite(|| async { TinyCache::default() })
        .report()
        .await;
    assert!(report.is_kept(), "{report}");
    let left_out = ["is_there_after_reopening", "outlive_the_site"];
    assert_eq!(skipped(&report), left_out);
}

#[tokio::test]
async fn a_store_over_a_cache_of_five_methods_conforms() {
    let tiny = TinyCache::default();
    let suite = cache::suite(move || std::future::ready(tiny.clone()));
    let report = suite.outlives_a_restart().report().await;
    assert!(report.is_kept(), "{report}");
    assert!(skipped(&report).is_empty());
}
