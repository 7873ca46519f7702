//! The published suites.

use duck_session::conformance::{cache, store};
use duck_session::store::KeyAsFolderCache;

use crate::site::{Site, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_folder_store_conforms() {
    let place = Site::new().await;
    let dir = place.dir();
    let suite = store::suite(move || {
        let dir = dir.clone();
        async move { open(&dir).await }
    });
    suite.outlives_a_restart().is_shared().run().await;
}

#[tokio::test]
async fn clones_of_the_folder_store_are_one_store() {
    let place = Site::new().await;
    let shared: KeyAsFolderCache = place.store.clone();
    let suite = store::suite(move || std::future::ready(shared.clone()));
    suite.outlives_a_restart().is_shared().run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_cache_in_folders_conforms() {
    let place = Site::new().await;
    let dir = place.dir();
    let suite = cache::suite(move || {
        let dir = dir.clone();
        async move { open(&dir).await }
    });
    suite.outlives_a_restart().is_shared().run().await;
}
