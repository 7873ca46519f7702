//! Timed tasks of several processes.

use crate::server::shared;
use crate::turns::each_turn_runs_once;

#[tokio::test]
async fn each_turn_runs_in_one_process() {
    let Some(server) = shared() else { return };
    let url = server.url(&server.database().await);
    let settings = format!(
        "SECRET_KEY = 'a key for tests of more than thirty-two bytes'\nSESSION_STORAGE = 'DatabaseCache'\n\
         SESSION_DATABASE_URL = '{url}'"
    );
    tokio::task::spawn_blocking(move || each_turn_runs_once(&settings))
        .await
        .unwrap();
}
