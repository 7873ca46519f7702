//! Answers that are given before the body was read. A client, or a proxy, that is still sending has to
//! get them: RFC 9112, 9.6.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use duck::Bytes;
use duck::http::Body;
use futures_util::stream::unfold;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::http2::{ask, connect, request};
use crate::wire::{Server, get};

/// Paths that do not read, with their answers.
const UNREAD: [(&str, u16); 4] = [
    ("/missing", 404),
    ("/unread", 200),
    ("/members", 303),
    ("/echo", 413),
];

fn post(path: &str, headers: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n\r\n")
}

#[tokio::test]
async fn an_answer_before_the_body_says_that_the_connection_ends() {
    let server = Server::start("MAX_BODY_BYTES = 10").await;
    for (path, status) in UNREAD {
        let mut wire = server.connect().await;
        wire.send(post(path, "Content-Length: 50")).await;
        let answer = wire.answer().await;
        assert_eq!(
            (answer.status, answer.header("connection")),
            (status, Some("close")),
            "{path}"
        );
        assert_eq!(wire.rest().await, "", "{path}");
    }
}

#[tokio::test]
async fn a_body_that_came_along_keeps_the_connection() {
    let server = Server::start("").await;
    let mut wire = server.connect().await;
    for (path, status) in &UNREAD[..3] {
        wire.send(format!("{}hello", post(path, "Content-Length: 5")))
            .await;
        let answer = wire.answer().await;
        assert_eq!(
            (answer.status, answer.header("connection")),
            (*status, None),
            "{path}"
        );
    }
    wire.send(get("/")).await;
    assert_eq!(wire.answer().await.body, "home");
}

#[tokio::test]
async fn http_1_0_is_not_told_both_to_close_and_to_keep_the_connection() {
    let server = Server::start("").await;
    let mut wire = server.connect().await;
    let headers = "Connection: keep-alive\r\nContent-Length: 5";
    wire.send(format!("POST /unread HTTP/1.0\r\n{headers}\r\n\r\n"))
        .await;
    assert_eq!(wire.answer().await.header("connection"), Some("close"));
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn an_answer_to_a_body_that_cannot_be_read_says_that_the_connection_ends() {
    let server = Server::start("").await;
    let mut wire = server.connect().await;
    let request = post("/echo", "Transfer-Encoding: chunked");
    wire.send(format!("{request}zz\r\n")).await;
    let answer = wire.answer().await;
    assert_eq!(
        (answer.status, answer.header("connection")),
        (400, Some("close"))
    );
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn a_client_that_sends_everything_first_gets_its_answer() {
    let server = Server::start("MAX_BODY_BYTES = 100").await;
    let piece = vec![b'x'; 1_000_000];
    for (path, status) in UNREAD.into_iter().chain([("/large-unread", 200)]) {
        for chunked in [false, true] {
            let mut wire = server.connect().await;
            let (headers, before, after) = if chunked {
                ("Transfer-Encoding: chunked", "F4240\r\n", "\r\n")
            } else {
                ("Content-Length: 30000000", "", "")
            };
            wire.send(post(path, headers)).await;
            for _ in 0..30 {
                wire.send(before).await;
                wire.send(&piece).await;
                wire.send(after).await;
            }
            let answer = wire.answer().await;
            assert_eq!(
                (answer.status, answer.header("connection")),
                (status, Some("close")),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn refused_heads_are_answered_though_more_is_sent() {
    let server = Server::start("MAX_HEAD_BYTES = 10000").await;
    let large = "x".repeat(3_000_000);
    for (head, status) in [
        (format!("GET / HTTP/1.1\r\nHost: test\r\nX: {large}"), 431),
        (format!("GET /{large}"), 431),
        (format!("nonsense\r\n\r\n{large}"), 400),
        (
            format!("POST /echo HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n{large}"),
            400,
        ),
        (
            format!(
                "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 3000000\r\nExpect: x\r\n\r\n{large}"
            ),
            417,
        ),
    ] {
        let mut wire = server.connect().await;
        wire.send(head).await;
        assert_eq!(wire.answer().await.status, status);
    }
}

#[tokio::test]
async fn what_is_thrown_away_is_bounded() {
    tokio::join!(by_its_amount(), by_its_pace(), by_the_silence());
}

async fn by_its_amount() {
    let server = Server::start("").await;
    let mut wire = server.connect().await;
    wire.send(post("/missing", "Content-Length: 1000000000"))
        .await;
    let (piece, mut sent) = (vec![b'x'; 1_000_000], 0);
    while wire.try_send(&piece).await.is_ok() {
        sent += piece.len();
        assert!(sent < 100_000_000, "it is read for ever");
    }
    assert!(sent > 30_000_000, "only {sent} bytes were read");
}

async fn by_its_pace() {
    let server = Server::start("").await;
    let mut wire = server.connect().await;
    wire.send(post("/missing", "Content-Length: 1000000000"))
        .await;
    let start = Instant::now();
    while wire.try_send("x").await.is_ok() {
        assert!(start.elapsed() < Duration::from_secs(5), "it drips still");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn by_the_silence() {
    let server = Server::start("SHUTDOWN_TIMEOUT = 60").await;
    let mut wire = server.connect().await;
    wire.send(post("/missing", "Content-Length: 1000000000"))
        .await;
    assert_eq!(wire.answer().await.status, 404);
    let start = Instant::now();
    server.stopped().await;
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "after {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn http_2_is_answered_and_goes_on() {
    let server = Server::start("MAX_BODY_BYTES = 100").await;
    let client = connect(&server).await;
    // Each leaves a window's bytes unread: together far more than the connection's window.
    for _ in 0..20 {
        for (path, status) in UNREAD {
            let (found, _) = ask(&client, request("POST", path, vec![b'x'; 3_000_000])).await;
            assert_eq!(found, status, "{path}");
        }
    }
    assert_eq!(ask(&client, request("GET", "/", "")).await.1, "home");
}

/// Some clients lose an answer when the rest of their body is refused.
#[tokio::test]
async fn http_2_takes_in_what_it_does_not_read() {
    let server = Server::start("MAX_BODY_BYTES = 100").await;
    let client = connect(&server).await;
    for (path, status) in UNREAD {
        let taken = Arc::new(Notify::new());
        let pieces = unfold(0, {
            let taken = taken.clone();
            move |count| {
                let taken = taken.clone();
                async move {
                    if count == 200 {
                        taken.notify_one();
                        return None;
                    }
                    Some((
                        Ok::<_, io::Error>(Bytes::from(vec![b'x'; 10_000])),
                        count + 1,
                    ))
                }
            }
        });
        let (found, _) = ask(&client, request("POST", path, Body::stream(pieces))).await;
        assert_eq!(found, status, "{path}");
        let all = timeout(Duration::from_secs(20), taken.notified()).await;
        assert!(all.is_ok(), "{path}");
    }
}
