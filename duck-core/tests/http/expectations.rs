//! `Expect`: RFC 9110, 10.1.1.

use crate::wire::{Server, get};

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let server = Server::start("").await;
    let mut wire = server.connect().await;
    wire.send(
        "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    )
    .await;
    assert_eq!(wire.head().await.0, 100);
    wire.send("hello").await;
    let answer = wire.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
}

#[tokio::test]
async fn a_client_that_asks_first_is_not_asked_for_what_nobody_reads() {
    let server = Server::start("MAX_BODY_BYTES = 10").await;
    for path in ["/echo", "/missing", "/unread"] {
        let mut wire = server.connect().await;
        wire.send(format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 50\r\nExpect: 100-continue\r\n\r\n")).await;
        assert_ne!(wire.answer().await.status, 100, "{path}");
    }
}

#[tokio::test]
async fn who_was_not_told_to_go_on_is_told_that_the_connection_ends() {
    let server = Server::start("").await;
    for path in ["/missing", "/unread", "/members"] {
        let mut wire = server.connect().await;
        wire.send(format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n")).await;
        assert_eq!(
            wire.answer().await.header("connection"),
            Some("close"),
            "{path}"
        );
        // Whether it sends its body after that is its own affair.
        let _ = wire.try_send(format!("hello{}", get("/smuggled"))).await;
        assert_eq!(wire.rest().await, "", "{path}");
    }
    assert!(!server.shared.seen().contains(&"/smuggled".to_owned()));
}

#[tokio::test]
async fn other_expectations_are_417() {
    let server = Server::start("").await;
    for value in ["200-ok", "", "100-continue, 200-ok", "100-continue=1"] {
        for line in ["GET / HTTP/1.1", "POST /echo HTTP/1.1\r\nContent-Length: 5"] {
            let mut wire = server.connect().await;
            wire.send(format!("{line}\r\nHost: test\r\nExpect: {value}\r\n\r\n"))
                .await;
            let answer = wire.answer().await;
            assert_eq!(
                (answer.status, answer.header("connection")),
                (417, Some("close")),
                "{line} {value:?}"
            );
        }
    }
    assert!(server.shared.seen().is_empty());
}

#[tokio::test]
async fn http_1_0_knows_no_expectations() {
    let server = Server::start("").await;
    for value in ["100-continue", "200-ok"] {
        let mut wire = server.connect().await;
        wire.send(format!(
            "POST /echo HTTP/1.0\r\nContent-Length: 5\r\nExpect: {value}\r\n\r\nhello"
        ))
        .await;
        let answer = wire.answer().await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "hello"),
            "{value}"
        );
    }
}
