//! Servers that are away, slow, empty, full or cut off.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use duck_session::store::SessionStore;
use rustix::process::Signal;

use crate::proxy::Proxy;
use crate::server::{Server, is_installed, open};
use crate::site::{assert_unavailable, read, read_again, settings, visitor};
use crate::{LATER, LOG, create, next, replace, session};

#[tokio::test]
async fn a_site_starts_while_its_server_is_away_and_recovers_by_itself() {
    if !is_installed() {
        return;
    }
    LazyLock::force(&LOG);
    let mut server = Server::stopped(&[]);
    let client = visitor(settings(server.url())).await;
    assert!(
        LOG.entries("")
            .contains("ERROR message=SESSION_REDIS_URL (set by the program): no server answers")
    );
    assert_eq!(read(&client, "/plain").await, "plain");
    assert_unavailable(&client.get("/add").await);
    client.set_cookie("session_id", &"A".repeat(43));
    assert_unavailable(&client.get("/get").await);
    server.start_again();
    assert_eq!(read_again(&client, "/add").await, "1");
    assert_eq!(read(&client, "/add").await, "2");
}

#[tokio::test]
async fn a_server_that_is_killed_and_comes_back_empty_costs_its_sessions_and_nothing_else() {
    if !is_installed() {
        return;
    }
    let mut server = Server::start(&[]);
    let client = visitor(settings(server.url())).await;
    assert_eq!(read(&client, "/add").await, "1");
    server.kill();
    assert_unavailable(&client.get("/add").await);
    assert_eq!(read(&client, "/plain").await, "plain");
    server.start_again();
    assert_eq!(read_again(&client, "/get").await, "0");
    assert_eq!(read(&client, "/add").await, "1");
}

#[tokio::test]
async fn with_appendfsync_always_a_killed_server_keeps_every_session() {
    if !is_installed() {
        return;
    }
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let client = visitor(settings(server.url())).await;
    assert_eq!(read(&client, "/add").await, "1");
    read(&client, "/login/ida").await;
    assert_eq!(read(&client, "/add").await, "2");
    server.kill();
    server.start_again();
    assert_eq!(read_again(&client, "/add").await, "3");
    assert_eq!(read(&client, "/user").await, "ida");
}

#[tokio::test]
async fn a_server_that_hangs_is_a_503_within_the_deadline_and_recovers_without_a_restart() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let client = visitor(settings(server.url()).with("SESSION_STORE_TIMEOUT", 1)).await;
    assert_eq!(read(&client, "/add").await, "1");
    server.signal(Signal::STOP);
    let start = Instant::now();
    assert_unavailable(&client.get("/add").await);
    // A read and nothing else: one deadline, and what a busy machine takes besides.
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    for _ in 0..6 {
        assert_unavailable(&client.get("/get").await);
    }
    let start = Instant::now();
    for _ in 0..20 {
        assert_unavailable(&client.get("/get").await);
    }
    let all = start.elapsed();
    assert!(all < Duration::from_secs(8), "the breaker is open: {all:?}");
    assert_eq!(read(&client, "/plain").await, "plain");
    server.signal(Signal::CONT);
    assert_eq!(read_again(&client, "/get").await, "1");
    assert_eq!(read(&client, "/add").await, "2");
}

#[tokio::test]
async fn flushall_ends_all_sessions_and_nothing_else() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let client = visitor(settings(server.url())).await;
    read(&client, "/login/ida").await;
    let mut admin = server.admin().await;
    let _: () = redis::cmd("FLUSHALL")
        .query_async(&mut admin)
        .await
        .unwrap();
    let _: () = redis::cmd("SCRIPT")
        .arg("FLUSH")
        .query_async(&mut admin)
        .await
        .unwrap();
    assert_eq!(read(&client, "/user").await, "nobody");
    read(&client, "/login/ida").await;
    assert_eq!(read(&client, "/add").await, "1");
    assert_eq!(read(&client, "/user").await, "ida");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_costs_no_request() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let client = visitor(settings(server.url())).await;
    let mut admin = server.admin().await;
    for expected in ["1", "2", "3"] {
        assert_eq!(read(&client, "/add").await, expected);
        let mut kill = redis::cmd("CLIENT");
        kill.arg("KILL")
            .arg("TYPE")
            .arg("normal")
            .arg("SKIPME")
            .arg("yes");
        let closed: u64 = kill.query_async(&mut admin).await.unwrap();
        assert_eq!(closed, 1, "the process has one connection");
    }
    // A visitor who begins a session asks for nothing before.
    assert_eq!(read(&client.another(), "/add").await, "1");
}

#[tokio::test]
async fn a_full_server_refuses_new_sessions_and_lets_visitors_log_out() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&["--maxmemory-policy", "noeviction"]);
    let client = visitor(settings(server.url())).await;
    read(&client, "/login/ida").await;
    let mut admin = server.admin().await;
    let mut full = redis::cmd("CONFIG");
    let _: () = full
        .arg("SET")
        .arg("maxmemory")
        .arg("1")
        .query_async(&mut admin)
        .await
        .unwrap();
    assert_eq!(read(&client, "/user").await, "ida");
    assert_unavailable(&client.another().get("/add").await);
    assert_unavailable(&client.get("/add").await);
    read(&client, "/logout").await;
    assert_eq!(read(&client, "/user").await, "nobody");
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_an_answer_counts_nothing_twice() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let proxy = Proxy::before(server.port()).await;
    let client = visitor(settings(proxy.url())).await;
    for expected in ["1", "2"] {
        assert_eq!(read(&client, "/add").await, expected);
    }
    for expected in ["3", "4", "5"] {
        proxy.cut_the_next_script();
        assert_eq!(read(&client, "/add").await, expected);
        assert_eq!(read(&client, "/get").await, expected);
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_sent_again() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let proxy = Proxy::before(server.port()).await;
    let store = open(proxy.url()).await.unwrap();
    let first = session(1, None, LATER);
    create(&store, &first).await;
    let second = next(&first, "2");
    assert!(replace(&store, &first, &second).await);
    let before = proxy.scripts();
    proxy.cut_the_next_script();
    let third = next(&second, "3");
    let crash = duck_session::store::Durability::Crash;
    assert!(
        store
            .replace(second.version(), &third, crash)
            .await
            .is_err()
    );
    assert_eq!(proxy.scripts() - before, 1);
    let found = store.load(first.key()).await.unwrap().unwrap();
    assert_eq!(found.version(), third.version(), "it was carried out");
}
