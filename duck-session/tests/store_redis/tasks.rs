//! Timed tasks of several processes.

use duck_session::store::SessionStore;

use crate::server::{Server, is_installed};
use crate::turns::each_turn_runs_once;

#[tokio::test]
async fn each_turn_runs_in_one_process() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let settings = format!(
        "SECRET_KEY = 'a key for tests of more than thirty-two bytes'\nSESSION_STORAGE = 'RedisCache'\n\
         SESSION_REDIS_URL = '{}'\nSESSION_REDIS_PREFIX = 'duck:test:'",
        server.url()
    );
    tokio::task::spawn_blocking(move || each_turn_runs_once(&settings))
        .await
        .unwrap();
    let kept = server.store().await.page(None, 100).await.unwrap();
    assert_eq!(kept.sessions.len(), 1, "one lease, whatever the turns");
}
