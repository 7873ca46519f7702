//! The suite that every store passes, on one server.

use duck_session::conformance::store;

use crate::server::{Server, is_installed, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_redis_store_conforms() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let url = server.url();
    let suite = store::suite(move || {
        let url = url.clone();
        async move { open(url).await.unwrap() }
    });
    suite.outlives_a_restart().is_shared().run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clones_of_the_redis_store_are_one_store_over_a_socket_and_another_database() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let url = format!("unix://{}?db=3", server.socket().display());
    let redis = open(url).await.unwrap();
    let suite = store::suite(move || std::future::ready(redis.clone()));
    suite.is_shared().run().await;
}
