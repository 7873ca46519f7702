//! The server in trouble while the site runs.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use duck_session::store::{DatabaseCache, Durability, SessionStore};
use rustix::process::Signal;

use crate::cut::Proxy;
use crate::disk::Disk;
use crate::server::{Server, give_to_postgres, shared};
use crate::site::{is_503, read, recovers, settings, visitor};
use crate::{LATER, key, next, session};

#[tokio::test]
async fn a_server_that_was_killed_has_lost_nothing_and_the_site_recovers() {
    let Some(mut server) = Server::new() else {
        return;
    };
    let site = visitor(settings(&server.url("postgres"))).await;
    for count in 1..=3 {
        for _ in 0..20 {
            read(&site, "/add").await;
        }
        server.kill();
        let start = Instant::now();
        is_503(&site.get("/get").await);
        assert!(
            start.elapsed() < Duration::from_millis(1900),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(read(&site, "/plain").await, "plain");
        server.start();
        assert_eq!(recovers(&site, "/get").await, (count * 20).to_string());
    }
}

/// A site that does not wait for the disk may lose the last moments with the server; one that does must not.
#[tokio::test]
async fn a_commit_waits_for_the_disk_unless_no_write_does() {
    let Some(server) = Server::with("synchronous_commit = off", &[]) else {
        return;
    };
    for (fsync, expected) in [("security", "on"), ("all", "on"), ("none", "off")] {
        let settings = settings(&server.url("postgres")).with("SESSION_FSYNC", fsync);
        let site = visitor(settings).await;
        let seen = "CREATE OR REPLACE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO levels VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$; \
             CREATE TABLE IF NOT EXISTS levels (level text); TRUNCATE levels; \
             DROP TRIGGER IF EXISTS seen ON duck_sessions; \
             CREATE TRIGGER seen AFTER INSERT OR UPDATE OR DELETE ON duck_sessions EXECUTE FUNCTION seen();";
        let client = server.client("postgres").await;
        client.batch_execute(seen).await.unwrap();
        for path in ["/add", "/add", "/login/7", "/logout"] {
            read(&site, path).await;
        }
        let levels = client.query("SELECT level FROM levels", &[]).await.unwrap();
        assert!(levels.len() >= 4, "{fsync}");
        for level in levels {
            assert_eq!(level.get::<_, &str>(0), expected, "{fsync}");
        }
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_waited_for_and_then_left_alone() {
    let Some(server) = Server::new() else { return };
    let site = visitor(settings(&server.url("postgres"))).await;
    assert_eq!(read(&site, "/add").await, "1");
    server.signal(Signal::STOP);
    for turn in 0..7 {
        let start = Instant::now();
        is_503(&site.get("/get").await);
        let waited = start.elapsed();
        assert!(waited < Duration::from_millis(1900), "{turn}: {waited:?}");
        assert_eq!(read(&site, "/plain").await, "plain");
    }
    let start = Instant::now();
    is_503(&site.get("/get").await);
    assert!(
        start.elapsed() < Duration::from_millis(200),
        "nobody waits any more"
    );
    server.signal(Signal::CONT);
    assert_eq!(recovers(&site, "/add").await, "2");
    assert_eq!(read(&site, "/get").await, "2");
}

#[tokio::test]
async fn a_server_that_is_restarted_closes_connections_and_costs_no_session() {
    let Some(mut server) = Server::new() else {
        return;
    };
    let site = visitor(settings(&server.url("postgres"))).await;
    read(&site, "/login/7").await;
    for _ in 0..3 {
        server.stop();
        server.start();
        assert_eq!(recovers(&site, "/user").await, "7");
    }
}

/// As after a restore from nothing: nobody is logged in, and the site goes on.
#[tokio::test]
async fn a_database_that_comes_back_empty_gets_its_table() {
    let Some(server) = shared() else { return };
    let database = server.database().await;
    let site = visitor(settings(&server.url(&database))).await;
    read(&site, "/login/7").await;
    let client = server.client(&database).await;
    client
        .batch_execute("DROP TABLE duck_sessions")
        .await
        .unwrap();
    is_503(&site.get("/user").await);
    assert_eq!(recovers(&site, "/user").await, "nobody");
    read(&site, "/login/7").await;
    assert_eq!(read(&site, "/user").await, "7");
}

#[tokio::test]
async fn a_database_that_is_read_only_can_be_read() {
    let Some(server) = shared() else { return };
    let database = server.database().await;
    let site = visitor(settings(&server.url(&database))).await;
    read(&site, "/login/7").await;
    let client = server.client("postgres").await;
    let read_only =
        |on| format!("ALTER DATABASE {database} SET default_transaction_read_only = {on}");
    client.batch_execute(&read_only("on")).await.unwrap();
    end_connections(&client, &database).await;
    let site = recover(site, "/user", "7").await;
    for path in ["/add", "/logout"] {
        is_503(&site.get(path).await);
    }
    assert_eq!(
        read(&site, "/user").await,
        "7",
        "a logout that failed is none"
    );
    client.batch_execute(&read_only("off")).await.unwrap();
    // The connection on which a write failed is not used again: the next one may lead to a server that takes it.
    assert_eq!(recovers(&site, "/add").await, "1");
}

async fn end_connections(
    client: &duck_session::store::deadpool_postgres::tokio_postgres::Client,
    database: &str,
) {
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
    client.query(end, &[&database]).await.unwrap();
}

async fn recover(
    site: duck::testing::TestClient,
    path: &str,
    expected: &str,
) -> duck::testing::TestClient {
    assert_eq!(recovers(&site, path).await, expected);
    site
}

#[tokio::test]
async fn connections_that_the_server_ended_are_replaced() {
    let Some(server) = shared() else { return };
    let database = server.database().await;
    let site = visitor(settings(&server.url(&database))).await;
    let client = server.client("postgres").await;
    for count in 1..=5 {
        assert_eq!(recovers(&site, "/add").await, count.to_string());
        end_connections(&client, &database).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Somebody holds the row: the pool's connections all wait, and those who come then too. Nobody waits for ever, neither
/// here nor in the server.
#[tokio::test]
async fn when_all_connections_wait_the_others_get_their_answer_in_time() {
    let Some(server) = shared() else { return };
    let database = server.database().await;
    let settings = settings(&server.url(&database)).with("SESSION_DATABASE_POOL", 2);
    let site = visitor(settings).await;
    assert_eq!(read(&site, "/add").await, "1");
    let mut other = server.client(&database).await;
    let holding = other.transaction().await.unwrap();
    holding
        .batch_execute("UPDATE duck_sessions SET due = due")
        .await
        .unwrap();
    let start = Instant::now();
    let all = tokio::join!(
        site.get("/add"),
        site.get("/add"),
        site.get("/add"),
        site.get("/add")
    );
    for response in [&all.0, &all.1, &all.2, &all.3] {
        is_503(response);
    }
    // Each asks twice: whether its write was made, and whether it can be found.
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    holding.rollback().await.unwrap();
    drop(other);
    let count: u64 = recovers(&site, "/get").await.parse().unwrap();
    assert!(count <= 5, "{count}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before: u64 = read(&site, "/get").await.parse().unwrap();
    let after: u64 = recovers(&site, "/add").await.parse().unwrap();
    assert_eq!(after, before + 1);
}

#[tokio::test]
async fn a_statement_that_the_server_gives_up_is_a_503_and_no_more() {
    let Some(server) = shared() else { return };
    let database = server.database().await;
    let url = server.url(&database);
    drop(visitor(settings(&url)).await); // it has made the tables
    let url = format!("{url}?options=-cstatement_timeout%3D1000");
    let site = visitor(settings(&url).with("SESSION_STORE_TIMEOUT", 30)).await;
    assert_eq!(read(&site, "/add").await, "1");
    let mut other = server.client(&database).await;
    let holding = other.transaction().await.unwrap();
    holding
        .batch_execute("LOCK TABLE duck_sessions IN SHARE MODE")
        .await
        .unwrap();
    let start = Instant::now();
    is_503(&site.get("/add").await);
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "the server's own limit counts"
    );
    assert_eq!(read(&site, "/get").await, "1", "reads go on");
    holding.rollback().await.unwrap();
    assert_eq!(read(&site, "/add").await, "2");
}

/// The write was made, and its answer got lost: it counts once, and the visitor hears that it did.
#[tokio::test]
async fn a_connection_cut_in_the_middle_of_an_answer_counts_nothing_twice() {
    let Some(server) = shared() else { return };
    let database = server.database().await;
    let proxy = Proxy::before(server.port).await;
    let url = server.url(&database);
    let through = url.replace(&server.port.to_string(), &proxy.port.to_string());
    let site = visitor(settings(&through)).await;
    assert_eq!(read(&site, "/add").await, "1");
    for count in 2..=20_u64 {
        proxy.cut_next();
        assert_eq!(read(&site, "/add").await, count.to_string());
    }
    assert_eq!(proxy.cut.load(Ordering::SeqCst), 19);
    assert_eq!(read(&site, "/get").await, "20");

    let store = DatabaseCache::open(&through).await.unwrap();
    let first = session(1, "1");
    assert!(store.create(&first, Durability::Crash).await.unwrap());
    proxy.cut_next();
    let second = next(&first, LATER, "2");
    let cut = store
        .replace(first.version(), &second, Durability::Crash)
        .await;
    assert!(cut.is_err(), "the store itself does not know: {cut:?}");
    let found = store.load(&key(1)).await.unwrap().unwrap();
    assert_eq!(found.version(), second.version());
}

#[tokio::test]
async fn a_full_disk_keeps_sessions_readable_and_lets_logouts_through() {
    let Some(disk) = Disk::mount("size=4m") else {
        return;
    };
    let Some(server) = Server::new() else { return };
    let folder = disk.dir();
    std::fs::create_dir(&folder).unwrap();
    disk.take(1 << 20);
    give_to_postgres(folder.parent().unwrap());
    give_to_postgres(&folder);
    let client = server.client("postgres").await;
    let space = format!("CREATE TABLESPACE small LOCATION '{}'", folder.display());
    client.batch_execute(&space).await.unwrap();
    client.batch_execute("CREATE DATABASE site").await.unwrap();
    let url = format!(
        "{}?options=-cdefault_tablespace%3Dsmall",
        server.url("site")
    );
    let site = visitor(settings(&url)).await;
    read(&site, "/login/7").await;
    let other = site.another();
    assert_eq!(read(&other, "/add").await, "1");
    let store = DatabaseCache::open(&url).await.unwrap();
    let large = "x".repeat(20_000);
    let mut number = 100;
    let full = loop {
        match store
            .create(&session(number, &large), Durability::Crash)
            .await
        {
            Ok(_) => number += 1,
            Err(error) => break error.chain(),
        }
        assert!(number < 2000, "4 MiB are not full");
    };
    assert!(full.contains("No space left on device"), "{full}");
    assert_eq!(read(&site, "/user").await, "7");
    assert_eq!(read(&site, "/plain").await, "plain");
    read(&site, "/logout").await;
    assert_eq!(read(&site, "/user").await, "nobody");
    assert_eq!(read(&other, "/get").await, "1");
    disk.free();
    assert!(
        store
            .create(&session(number, &large), Durability::Crash)
            .await
            .unwrap(),
        "there is room again"
    );
    drop(server); // before its disk
}
