//! `Expect`: RFC 9110, 10.1.1.

use std::future::poll_fn;
use std::time::Duration;

use duck::{Bytes, StatusCode};
use h2::RecvStream;
use h2::client::{ResponseFuture, SendRequest};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::curl;
use crate::wire::{Server, get};

/// Less than a client waits that is not told to go on, on a busy machine.
const PROMPTLY: Duration = Duration::from_secs(20);

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

async fn connect(server: &Server) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(server.address).await;
    let handshake = h2::client::handshake(stream.expect("it listens")).await;
    let (client, connection) = handshake.expect("HTTP/2");
    tokio::spawn(connection);
    client.ready().await.expect("room for a request")
}

fn post(path: &str, expectation: &str) -> http::Request<()> {
    let request = http::Request::post(format!("http://test{path}"));
    let request = request.header("expect", expectation);
    let request = request.header("content-length", 5);
    request.body(()).expect("a request")
}

/// The status of what comes before the answer.
async fn interim(response: &mut ResponseFuture) -> Option<StatusCode> {
    let interim = poll_fn(|cx| response.poll_informational(cx));
    let interim = timeout(PROMPTLY, interim).await.expect("in time")?;
    Some(interim.expect("no error").status())
}

async fn whole(response: http::Response<RecvStream>) -> Vec<u8> {
    let (mut body, mut whole) = (response.into_body(), Vec::new());
    while let Some(piece) = body.data().await {
        whole.extend(piece.expect("no error"));
    }
    whole
}

#[tokio::test]
async fn over_http_2_too_it_is_told_to_go_on() {
    let server = Server::start("").await;
    for path in ["/echo", "/echo-as-it-comes"] {
        let mut client = connect(&server).await;
        let (mut response, mut body) = client
            .send_request(post(path, "100-continue"), false)
            .expect("a stream");
        assert_eq!(
            interim(&mut response).await,
            Some(StatusCode::CONTINUE),
            "{path}"
        );
        body.send_data(Bytes::from("hello"), true)
            .expect("the stream is there");
        let response = response.await.expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(whole(response).await, b"hello", "{path}");
    }
}

#[tokio::test]
async fn over_http_2_too_it_is_not_asked_for_what_nobody_reads() {
    let server = Server::start("MAX_BODY_BYTES = 4").await;
    for (path, status) in [("/echo", 413), ("/missing", 404), ("/unread", 200)] {
        let mut client = connect(&server).await;
        let (mut response, _body) = client
            .send_request(post(path, "100-continue"), false)
            .expect("a stream");
        assert_eq!(interim(&mut response).await, None, "{path}");
        let response = timeout(PROMPTLY, response).await.expect("in time");
        assert_eq!(response.expect("an answer").status(), status, "{path}");
    }
}

#[tokio::test]
async fn over_http_2_too_other_expectations_are_417() {
    let server = Server::start("").await;
    for expectation in ["200-ok", "", "100-continue, 200-ok"] {
        let mut client = connect(&server).await;
        let (response, mut body) = client
            .send_request(post("/echo", expectation), false)
            .expect("a stream");
        let response = response.await.expect("an answer");
        assert_eq!(response.status(), 417, "{expectation:?}");
        assert_eq!(response.headers().get("connection"), None);
        body.send_data(Bytes::from("hello"), true)
            .expect("it is still taken");
        assert!(!whole(response).await.is_empty());
    }
    assert!(server.shared.seen().is_empty());
}

#[tokio::test]
async fn curl_does_not_wait_over_either_version() {
    let server = Server::start("").await;
    let body = "x".repeat(1_000_000);
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let url = format!("http://{}/echo", server.address);
        let options = [
            version,
            "--header",
            "Expect: 100-continue",
            "--expect100-timeout",
            "60",
            "--max-time",
            "20",
            "--data-binary",
            "@-",
            &url,
        ];
        let Some(answer) = curl::run(&options, body.clone()).await else {
            return;
        };
        assert!(answer.log.contains("100"), "{version}: {}", answer.log);
        assert_eq!(answer.body.len(), body.len(), "{version}: {}", answer.log);
    }
}
