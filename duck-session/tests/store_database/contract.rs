//! What every store promises, and what is this one's own.

use std::sync::Arc;

use duck_session::conformance::store;
use duck_session::store::deadpool_postgres::tokio_postgres::NoTls;
use duck_session::store::deadpool_postgres::{Config, Pool, Runtime};
use duck_session::store::{DatabaseCache, Durability, SessionStore};

use crate::server::{self, shared};
use crate::{LATER, ends, key, next, session};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_database_store_conforms() {
    let Some(server) = shared() else { return };
    let url = Arc::new(server.url(&server.database().await));
    let open = move || {
        let url = url.clone();
        async move { DatabaseCache::open(&url).await.unwrap() }
    };
    let suite = store::suite(open);
    suite.outlives_a_restart().is_shared().run().await;
}

fn site_pool(url: &str) -> Pool {
    let mut config = Config::new();
    config.url = Some(url.to_owned());
    config.create_pool(Some(Runtime::Tokio1), NoTls).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_over_a_pool_of_the_site_conforms() {
    let Some(server) = shared() else { return };
    let url = Arc::new(server.url(&server.database().await));
    // Each thread of the suite has a runtime of its own, and a connection lives in one.
    let open = move || {
        let store = DatabaseCache::from_pool(site_pool(&url));
        async move { store }
    };
    let suite = store::suite(open);
    suite.outlives_a_restart().is_shared().run().await;
}

/// The rows of the table that PostgreSQL changed without writing to an index.
#[tokio::test]
async fn a_save_that_prolongs_a_session_writes_to_no_index() {
    let Some(server) = shared() else { return };
    let database = server.database().await;
    let store = DatabaseCache::open(&server.url(&database)).await.unwrap();
    let mut now = session(1, "0");
    assert!(store.create(&now, Durability::Crash).await.unwrap());
    for turn in 1..=50 {
        let new = next(&now, LATER + turn, &turn.to_string());
        assert!(
            store
                .replace(now.version(), &new, Durability::Crash)
                .await
                .unwrap()
        );
        now = new;
    }
    drop(store);
    let client = server.client(&database).await;
    // A connection tells what it did when it ends.
    for _ in 0..100 {
        let row = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'duck_sessions'";
        let row = client.query_one(row, &[]).await.unwrap();
        let (updates, without_index): (i64, i64) = (row.get(0), row.get(1));
        if updates == 50 {
            assert!(without_index >= 45, "{without_index} of {updates}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("PostgreSQL did not count 50 updates");
}

#[tokio::test]
async fn each_call_is_one_statement_on_one_of_four_connections() {
    let Some(server) = shared() else { return };
    let database = server.database().await;
    let store = DatabaseCache::open(&server.url(&database)).await.unwrap();
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let new = session(number, "x");
                assert!(store.create(&new, Durability::PowerCut).await.unwrap());
                assert!(store.load(&key(number)).await.unwrap().is_some());
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let client = server.client("postgres").await;
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'duck-session'";
    let count: i64 = client
        .query_one(sessions, &[&database])
        .await
        .unwrap()
        .get(0);
    assert!((1..=4).contains(&count), "{count}");
}

#[tokio::test]
async fn a_sweep_passes_over_what_others_are_writing() {
    let Some(server) = shared() else { return };
    let database = server.database().await;
    let store = DatabaseCache::open(&server.url(&database)).await.unwrap();
    for number in 0..20 {
        let over = ends(number, 1000 + number, "over");
        assert!(store.create(&over, Durability::Crash).await.unwrap());
    }
    let mut other = server.client(&database).await;
    let writing = other.transaction().await.unwrap();
    let lock = "SELECT key FROM duck_sessions WHERE key = $1 FOR UPDATE";
    writing
        .query(lock, &[&&key(3).as_bytes()[..]])
        .await
        .unwrap();
    assert_eq!(store.remove_expired(5000, 1000).await.unwrap(), 19);
    assert!(store.load(&key(3)).await.unwrap().is_some());
    writing.rollback().await.unwrap();
    assert_eq!(store.remove_expired(5000, 1000).await.unwrap(), 1);
}

/// However many sessions were prolonged: each is looked at once, and the others go.
#[tokio::test]
async fn a_sweep_finds_what_is_over_behind_what_was_prolonged() {
    let Some(store) = server::store().await else {
        return;
    };
    for number in 0..30 {
        let short = ends(number, 1000 + number, "short");
        assert!(store.create(&short, Durability::Crash).await.unwrap());
        if number < 29 {
            let longer = next(&short, LATER, "longer");
            assert!(
                store
                    .replace(short.version(), &longer, Durability::Crash)
                    .await
                    .unwrap()
            );
        }
    }
    let mut removed = 0;
    for _ in 0..3 {
        removed += store.remove_expired(5000, 10).await.unwrap();
    }
    assert_eq!(removed, 1);
    for number in 0..29 {
        assert!(
            store.load(&key(number)).await.unwrap().is_some(),
            "{number}"
        );
    }
}

#[tokio::test]
async fn clearing_many_takes_all() {
    let Some(server) = shared() else { return };
    let database = server.database().await;
    let store = DatabaseCache::open(&server.url(&database)).await.unwrap();
    let many = "INSERT INTO duck_sessions SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 0, 0, NULL, 1, 1, '' \
         FROM generate_series(1, 2500) n";
    let client = server.client(&database).await;
    assert_eq!(client.execute(many, &[]).await.unwrap(), 2500);
    store.clear().await.unwrap();
    assert!(store.page(None, 10).await.unwrap().sessions.is_empty());
}

/// A logout that is under way takes one of the rows that a statement was to delete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clearing_goes_on_beside_a_logout() {
    let Some(server) = shared() else { return };
    let database = server.database().await;
    let store = DatabaseCache::open(&server.url(&database)).await.unwrap();
    for number in 0..1200 {
        let new = session(number, "x");
        assert!(store.create(&new, Durability::Crash).await.unwrap());
    }
    let mut other = server.client(&database).await;
    let logout = other.transaction().await.unwrap();
    let remove = "DELETE FROM duck_sessions WHERE key = (SELECT key FROM duck_sessions ORDER BY key LIMIT 1)";
    assert_eq!(logout.execute(remove, &[]).await.unwrap(), 1);
    let clearing = tokio::spawn({
        let store = store.clone();
        async move { store.clear().await.unwrap() }
    });
    let admin = server.client(&database).await;
    let waits = "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while admin.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    logout.commit().await.unwrap();
    clearing.await.unwrap();
    assert!(store.page(None, 10).await.unwrap().sessions.is_empty());
}
