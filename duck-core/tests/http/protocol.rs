//! HTTP/1 as it should be.

use crate::wire::{Server, get};

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let server = Server::start("").await;
    let mut wire = server.connect().await;
    for _ in 0..3 {
        wire.send(get("/")).await;
        let answer = wire.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "home"));
        assert_eq!(answer.header("connection"), None);
        assert!(answer.header("date").is_some());
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let server = Server::start("").await;
    let mut wire = server.connect().await;
    let post = "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc";
    wire.send(format!("{}{post}{}{post}", get("/"), get("/missing")))
        .await;
    assert_eq!(wire.answer().await.body, "home");
    assert_eq!(wire.answer().await.body, "abc");
    assert_eq!(wire.answer().await.status, 404);
    assert_eq!(wire.answer().await.body, "abc");
}

#[tokio::test]
async fn a_client_that_wants_no_more_is_let_go() {
    let server = Server::start("").await;
    let mut wire = server.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .await;
    let answer = wire.answer().await;
    assert_eq!(
        (answer.status, answer.header("connection")),
        (200, Some("close"))
    );
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn http_1_0_needs_no_host_and_ends_with_its_answer() {
    let server = Server::start("").await;
    let mut wire = server.connect().await;
    wire.send("GET / HTTP/1.0\r\n\r\n").await;
    let answer = wire.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "home"));
    assert_eq!(wire.rest().await, "");

    let mut wire = server.connect().await;
    wire.send("GET /slow-stream HTTP/1.0\r\n\r\n").await;
    server.shared.go.notify_one();
    let (_, body) = wire
        .rest()
        .await
        .split_once("\r\n\r\n")
        .map(|(head, body)| (head.to_owned(), body.to_owned()))
        .expect("a response");
    assert_eq!(
        body, "piece piece ",
        "no chunks for a client that knows none"
    );

    let mut wire = server.connect().await;
    wire.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .await;
    assert_eq!(wire.answer().await.body, "home");
    wire.send("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(wire.answer().await.body, "home");
}

#[tokio::test]
async fn head_has_a_length_and_no_body() {
    let server = Server::start("").await;
    let mut wire = server.connect().await;
    for (path, length) in [
        ("/", Some("4")),
        ("/missing", Some("14")),
        ("/endless", None),
    ] {
        wire.send(format!("HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
            .await;
        let (_, head) = wire.head().await;
        let told = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(told, length, "{path}");
    }
    wire.send(get("/")).await;
    assert_eq!(
        wire.answer().await.body,
        "home",
        "nothing stood between the heads"
    );
}

#[tokio::test]
async fn what_has_no_body_tells_no_length_of_one() {
    let server = Server::start("").await;
    let mut wire = server.connect().await;
    wire.send("OPTIONS / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let (status, head) = wire.head().await;
    assert_eq!(status, 204);
    assert!(
        !head.contains("content-length") && !head.contains("transfer-encoding"),
        "{head}"
    );
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_connection_lives() {
    let server = Server::start("").await;
    let mut wire = server.connect().await;
    wire.send(get("/panic")).await;
    assert_eq!(wire.answer().await.status, 500);
    wire.send(get("/")).await;
    assert_eq!(wire.answer().await.body, "home");
    assert_eq!(server.get("/").await.body, "home");
}

#[tokio::test]
async fn a_client_that_goes_early_hurts_nobody() {
    // Until something is written, it may just have closed its side.
    let server = Server::start("WRITE_TIMEOUT = 1").await;
    let mut wire = server.connect().await;
    wire.send(get("/wait")).await;
    server.shared.begun.notified().await;
    drop(wire);
    server.shared.dropped.notified().await;

    let mut wire = server.connect().await;
    wire.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 50\r\n\r\nhalf")
        .await;
    drop(wire);
    let mut wire = server.connect().await;
    wire.send(get("/endless")).await;
    assert_eq!(wire.head().await.0, 200);
    drop(wire);
    drop(server.connect().await);
    assert_eq!(server.get("/").await.body, "home");
    server.stopped().await;
}
