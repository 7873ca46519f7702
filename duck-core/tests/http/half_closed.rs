//! Clients that close their side after their request and wait for the answer (RFC 9112, 9.6), and
//! those that are gone. Until something is written, the two look alike.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::wire::{Server, get};

/// Well before the deadlines that a server has by default.
const PROMPTLY: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_client_that_has_closed_its_side_is_answered() {
    let server = Server::start("").await;
    for is_at_once in [true, false] {
        let mut wire = server.connect().await;
        wire.send(get("/wait")).await;
        if is_at_once {
            wire.close_its_side().await;
        }
        server.shared.begun.notified().await;
        if !is_at_once {
            wire.close_its_side().await;
        }
        // Another request after it: the server has had time to see the end of the first.
        assert_eq!(server.get("/").await.body, "home");
        server.shared.go.notify_one();
        assert_eq!(wire.answer().await.body, "at last");
        assert_eq!(wire.rest().await, "");
    }
}

#[tokio::test]
async fn all_that_it_sent_is_answered() {
    let server = Server::start("").await;
    let mut wire = server.connect().await;
    let post = "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello";
    wire.send(format!(
        "{post}{}{}{post}",
        get("/slow-stream"),
        get("/missing")
    ))
    .await;
    wire.close_its_side().await;
    assert_eq!(wire.answer().await.body, "hello");
    server.shared.begun.notified().await;
    server.shared.go.notify_one();
    assert_eq!(wire.answer().await.body, "piece piece ");
    assert_eq!(wire.answer().await.status, 404);
    assert_eq!(wire.answer().await.body, "hello");
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn a_large_answer_comes_whole() {
    let server = Server::start("").await;
    for line in ["GET /large HTTP/1.1", "GET /large HTTP/1.0"] {
        let mut wire = server.connect().await;
        wire.send(format!("{line}\r\nHost: test\r\n\r\n")).await;
        wire.close_its_side().await;
        assert_eq!(wire.answer().await.body.len(), 50_000_000, "{line}");
        assert_eq!(wire.rest().await, "");
    }
}

#[tokio::test]
async fn half_a_body_is_answered_with_400() {
    let server = Server::start("").await;
    for headers in [
        "Content-Length: 50\r\n\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhal",
    ] {
        let mut wire = server.connect().await;
        wire.send(format!("POST /echo HTTP/1.1\r\nHost: test\r\n{headers}"))
            .await;
        wire.close_its_side().await;
        assert_eq!(wire.answer().await.status, 400, "{headers}");
        assert_eq!(wire.rest().await, "");
    }
}

#[tokio::test]
async fn a_client_that_is_gone_ends_its_view() {
    for path in ["/wait", "/slow-stream"] {
        let server = Server::start("").await;
        let mut wire = server.connect().await;
        wire.send(get(path)).await;
        server.shared.begun.notified().await;
        wire.stream.set_zero_linger().expect("a reset");
        drop(wire);
        timeout(PROMPTLY, server.stopped())
            .await
            .expect("the view ends");
    }
}

/// One test, so that both wait at the same time.
#[tokio::test]
async fn a_client_that_may_be_gone_ends_its_view_in_time() {
    tokio::join!(
        a_client_that_closes_all_ends_its_view_in_time("/wait"),
        a_client_that_closes_all_ends_its_view_in_time("/slow-stream"),
    );
}

async fn a_client_that_closes_all_ends_its_view_in_time(path: &str) {
    let server = Server::start("WRITE_TIMEOUT = 1\nSHUTDOWN_TIMEOUT = 60").await;
    let mut wire = server.connect().await;
    wire.send(get(path)).await;
    server.shared.begun.notified().await;
    let start = Instant::now();
    // Dropped with bytes that were not read, it would send a reset.
    wire.close_its_side().await;
    timeout(PROMPTLY, server.stopped())
        .await
        .expect("the view ends");
    let took = start.elapsed();
    assert!(
        (Duration::from_secs(1)..Duration::from_secs(5)).contains(&took),
        "{path}: {took:?}"
    );
}
