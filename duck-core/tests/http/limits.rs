//! How much a client may send, and how many may come.

use crate::wire::{Server, get};

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let server = Server::start("MAX_HEAD_BYTES = 10000").await;
    let mut wire = server.connect().await;
    wire.send(format!(
        "GET / HTTP/1.1\r\nHost: test\r\nX: {}\r\n\r\n",
        "x".repeat(9000)
    ))
    .await;
    assert_eq!(wire.answer().await.status, 200);

    let mut wire = server.connect().await;
    let large = format!("GET / HTTP/1.1\r\nHost: test\r\nX: {}", "x".repeat(20_000));
    // The server may have closed before all of it is sent.
    let _ = wire.try_send(large).await;
    assert!(wire.rest().await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_head_without_end_is_not_read_for_ever() {
    let server = Server::start("MAX_HEAD_BYTES = 10000").await;
    let mut wire = server.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: test\r\nX: ").await;
    let mut sent = 0;
    while wire.try_send([b'x'; 1000]).await.is_ok() {
        sent += 1000;
        assert!(sent < 100_000_000, "it is still read");
    }
}

#[tokio::test]
async fn too_many_headers_are_431() {
    let server = Server::start("").await;
    let mut wire = server.connect().await;
    wire.send(format!(
        "GET / HTTP/1.1\r\nHost: test\r\n{}\r\n",
        "a: b\r\n".repeat(1000)
    ))
    .await;
    assert!(wire.rest().await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn an_address_that_is_too_long_is_414_or_431() {
    let server = Server::start("MAX_HEAD_BYTES = 200000").await;
    let mut wire = server.connect().await;
    let _ = wire
        .try_send(get(&format!("/{}", "x".repeat(70_000))))
        .await;
    let answer = wire.rest().await;
    assert!(answer.starts_with("HTTP/1.1 414 "), "{answer}");
}

#[tokio::test]
async fn a_huge_length_is_413_before_anything_is_sent() {
    let server = Server::start("MAX_BODY_BYTES = 100").await;
    for length in ["101", "18446744073709551613"] {
        let mut wire = server.connect().await;
        wire.send(format!(
            "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n"
        ))
        .await;
        assert_eq!(wire.answer().await.status, 413, "{length}");
        assert_eq!(wire.rest().await, "", "the rest is not waited for");
    }
}

#[tokio::test]
async fn chunks_over_the_limit_are_413_when_they_come() {
    let server = Server::start("MAX_BODY_BYTES = 100").await;
    let mut wire = server.connect().await;
    wire.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    for _ in 0..10 {
        wire.send("a\r\n0123456789\r\n").await;
    }
    wire.send("1\r\nx\r\n").await;
    assert_eq!(wire.answer().await.status, 413);
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_until_another_is_gone() {
    let server = Server::start("MAX_CONNECTIONS = 2").await;
    let (mut one, mut two, mut three) = (
        server.connect().await,
        server.connect().await,
        server.connect().await,
    );
    for wire in [&mut one, &mut two] {
        wire.send(get("/")).await;
        assert_eq!(wire.answer().await.status, 200);
    }
    three.send(get("/wait")).await;
    one.send(get("/")).await;
    assert_eq!(one.answer().await.status, 200, "those inside go on");
    assert_eq!(
        server.shared.seen(),
        ["/", "/", "/"],
        "the third waits outside"
    );
    drop(two);
    server.shared.begun.notified().await;
    server.shared.go.notify_one();
    assert_eq!(three.answer().await.body, "at last");
}
