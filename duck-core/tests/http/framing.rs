//! Headers about a response's end and its connection, set wrongly by a view or a tower layer: the next
//! response on the connection begins where this one ends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use duck::http::{Body, stream};
use duck::prelude::*;
use duck::{Bytes, Settings};
use futures_util::stream::iter;
use http_body::{Frame, SizeHint};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::breaking_off::breaks_off;
use crate::http2::{ask, connect, request};
use crate::log::Log;
use crate::wire::{Server, Shared, Wire, get};

const TEN: &str = "ten bytes!";

/// Ten bytes in two pieces.
fn ten_as_stream() -> Response {
    let pieces = ["ten b", "ytes!"].map(|piece| Ok::<_, io::Error>(Bytes::from(piece)));
    stream("text/plain", iter(pieces))
}

/// A body that says how long it is, and gives ten bytes.
struct Lying(u64, Option<Bytes>);

impl http_body::Body for Lying {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(self.1.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

fn told(response: Response, length: &str) -> Result<Response> {
    let mut lengths = length.split('&');
    lengths.try_fold(response, |response, length| {
        Ok(response.with_added_header("content-length", length)?)
    })
}

fn views() -> Vec<UrlPattern> {
    vec![
        path("/", async |_request: Request| "home"),
        path(
            "/told/<length>",
            async |_request: Request, length: String| told(text(TEN), &length),
        ),
        path(
            "/stream/<length>",
            async |_request: Request, length: String| told(ten_as_stream(), &length),
        ),
        path("/lying/<length>", async |_request: Request, length: u64| {
            text(Body::new(Lying(length, Some(TEN.into()))))
        }),
        path(
            "/status/<status>",
            async |_request: Request, status: u16| {
                Ok::<_, Error>(told(text(TEN), "10")?.with_status(StatusCode::from_u16(status)?))
            },
        ),
        path(
            "/stream-status/<status>",
            async |_request: Request, status: u16| {
                Ok::<_, Error>(ten_as_stream().with_status(StatusCode::from_u16(status)?))
            },
        ),
        path(
            "/hop/<name>/<value>",
            async |_request: Request, name: String, value: String| {
                Ok::<_, Error>(text(TEN).with_header(&name, value)?)
            },
        ),
        path(
            "/stream-hop/<name>/<value>",
            async |_request: Request, name: String, value: String| {
                Ok::<_, Error>(ten_as_stream().with_header(&name, value)?)
            },
        ),
    ]
}

/// The next response on the connection is the one to the next request.
async fn is_in_step(wire: &mut Wire, after: &str) {
    wire.send(get("/")).await;
    let next = wire.answer().await;
    assert_eq!(
        (next.status, next.body.as_str()),
        (200, "home"),
        "after {after}"
    );
}

#[tokio::test]
async fn a_wrong_content_length_is_made_right() {
    let (log, _guard) = Log::listen();
    for length in [
        "5", "20", "0", "+10", "-1", "1e1", "nonsense", "10&10", "10&5", "5&20",
    ] {
        // Each its own site, whose log has ten lines of a kind in a second.
        let server = Server::with(views()).await;
        let mut wire = server.connect().await;
        let path = format!("/told/{length}");
        wire.send(get(&path)).await;
        let answer = wire.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (200, TEN), "{path}");
        assert_eq!(
            answer.head.matches("content-length: 10\n").count(),
            1,
            "{}",
            answer.head
        );
        assert_eq!(
            answer.head.matches("content-length").count(),
            1,
            "{}",
            answer.head
        );
        let lines = log.take();
        assert!(
            matches!(&lines[..], [line] if line.contains(&path) && line.contains("Content-Length")),
            "{path}: {lines:?}"
        );
        wire.send(format!("HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
            .await;
        assert!(
            wire.head().await.1.contains("content-length: 10\n"),
            "{path}"
        );
        is_in_step(&mut wire, &path).await;
        log.take();
    }
    let server = Server::with(views()).await;
    let mut wire = server.connect().await;
    wire.send(get("/told/10")).await;
    assert_eq!(wire.answer().await.body, TEN);
    assert!(log.take().is_empty(), "what is right is not remarked on");

    let mut wire = server.connect().await;
    wire.send("GET /told/20 HTTP/1.0\r\n\r\n").await;
    assert!(wire.rest().await.ends_with("\r\n\r\nten bytes!"));
}

#[tokio::test]
async fn a_stream_that_does_not_keep_to_its_length_breaks_off() {
    let (log, _guard) = Log::listen();
    let server = Server::with(views()).await;
    for path in [
        "/stream/5",
        "/stream/7",
        "/stream/20",
        "/lying/5",
        "/lying/20",
    ] {
        for version in ["1.0", "1.1"] {
            let mut wire = server.connect().await;
            wire.send(format!(
                "GET {path} HTTP/{version}\r\nHost: test\r\n\r\n{}",
                get("/")
            ))
            .await;
            // What fails at once may end the connection before its head was sent.
            let answer = wire.rest().await;
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
            let length = path.rsplit('/').next().expect("a length");
            assert!(
                head.is_empty() || head.contains(&format!("content-length: {length}\r\n")),
                "{head}"
            );
            assert!(
                body.len() < length.parse().expect("a number"),
                "{path} looks whole: {body}"
            );
            let lines = log.take();
            assert!(
                matches!(&lines[..], [line] if line.starts_with("ERROR") && line.contains(path) && line.contains("Content-Length")),
                "{path}: {lines:?}"
            );
        }
    }
    let mut wire = server.connect().await;
    for path in ["/stream/10", "/lying/10"] {
        wire.send(get(path)).await;
        let answer = wire.answer().await;
        assert_eq!(
            (answer.header("content-length"), answer.body.as_str()),
            (Some("10"), TEN)
        );
        is_in_step(&mut wire, path).await;
    }
    for path in ["/stream/nonsense", "/stream/5&5"] {
        wire.send(get(path)).await;
        let answer = wire.answer().await;
        assert_eq!(
            (answer.header("transfer-encoding"), answer.body.as_str()),
            (Some("chunked"), TEN)
        );
        assert_eq!(answer.header("content-length"), None);
        is_in_step(&mut wire, path).await;
    }
}

#[tokio::test]
async fn what_has_no_body_is_sent_without_one() {
    let (log, _guard) = Log::listen();
    let server = Server::with(views()).await;
    let mut wire = server.connect().await;
    for kind in ["status", "stream-status"] {
        for status in [204, 205, 304] {
            let path = format!("/{kind}/{status}");
            wire.send(get(&path)).await;
            let (found, head) = wire.head().await;
            assert_eq!(found, status);
            assert!(!head.contains("transfer-encoding"), "{head}");
            assert_eq!(
                head.contains("content-length: 0\n"),
                status == 205,
                "{head}"
            );
            assert!(!head.contains("content-length: 10"), "{head}");
            is_in_step(&mut wire, &path).await;
            let lines = log.take();
            assert!(
                matches!(&lines[..], [line] if line.contains(&path)),
                "{path}: {lines:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_status_that_is_no_answer_is_500() {
    let (log, _guard) = Log::listen();
    let server = Server::with(views()).await;
    let mut wire = server.connect().await;
    for kind in ["status", "stream-status"] {
        for status in [100, 101, 102, 103, 199] {
            let path = format!("/{kind}/{status}");
            wire.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")).await;
            assert_eq!(wire.answer().await.status, 500, "{path}");
            is_in_step(&mut wire, &path).await;
            let lines = log.take();
            assert!(
                matches!(&lines[..], [line] if line.starts_with("ERROR") && line.contains(&path)),
                "{path}: {lines:?}"
            );
        }
    }
}

#[tokio::test]
async fn headers_of_the_connection_are_the_servers() {
    let server = Server::with(views()).await;
    let mut wire = server.connect().await;
    for (name, value) in [
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "gzip"),
        ("transfer-encoding", "identity"),
        ("connection", "keep-alive"),
        ("connection", "upgrade"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "websocket"),
        ("te", "trailers"),
        ("trailer", "x-sum"),
    ] {
        let path = format!("/hop/{name}/{value}");
        wire.send(get(&path)).await;
        let answer = wire.answer().await;
        assert_eq!(
            (answer.header("content-length"), answer.body.as_str()),
            (Some("10"), TEN),
            "{path}"
        );
        assert_eq!(answer.header(name), None, "{path}");
        is_in_step(&mut wire, &path).await;

        let path = format!("/stream-hop/{name}/{value}");
        wire.send(get(&path)).await;
        let answer = wire.answer().await;
        assert_eq!(
            (answer.header("transfer-encoding"), answer.body.as_str()),
            (Some("chunked"), TEN),
            "{path}"
        );
        is_in_step(&mut wire, &path).await;
    }
    for closes in ["close", "x,%20Close"] {
        let mut wire = server.connect().await;
        wire.send(get(&format!("/hop/connection/{closes}"))).await;
        let answer = wire.answer().await;
        assert_eq!(
            (answer.header("connection"), answer.body.as_str()),
            (Some("close"), TEN)
        );
        assert_eq!(wire.rest().await, "");
    }
}

#[tokio::test]
async fn http_2_is_kept_in_step_too() {
    let server = Server::with(views()).await;
    let client = connect(&server).await;
    for path in [
        "/told/5",
        "/told/20",
        "/hop/transfer-encoding/chunked",
        "/hop/connection/close",
        "/stream/10",
    ] {
        assert_eq!(
            ask(&client, request("GET", path, "")).await,
            (StatusCode::OK, TEN.into()),
            "{path}"
        );
        assert_eq!(
            ask(&client, request("HEAD", path, "")).await,
            (StatusCode::OK, "".into()),
            "{path}"
        );
    }
    for status in [204, 205, 304] {
        for kind in ["status", "stream-status"] {
            let (found, body) =
                ask(&client, request("GET", &format!("/{kind}/{status}"), "")).await;
            assert_eq!((found.as_u16(), body), (status, "".into()), "{kind}");
        }
    }
    assert_eq!(ask(&client, request("GET", "/status/101", "")).await.0, 500);
    for path in ["/stream/5", "/stream/20", "/lying/5", "/lying/20"] {
        assert!(breaks_off(&client, path).await, "{path}");
    }
    assert_eq!(ask(&client, request("GET", "/", "")).await.1, "home");
}

#[tokio::test]
async fn what_a_tower_layer_sets_wrongly_is_made_right() {
    let (log, _guard) = Log::listen();
    let length = SetResponseHeaderLayer::overriding(
        http::header::CONTENT_LENGTH,
        http::HeaderValue::from_static("5"),
    );
    let coding = SetResponseHeaderLayer::overriding(
        http::header::TRANSFER_ENCODING,
        http::HeaderValue::from_static("chunked"),
    );
    let app = App::new(Settings::default())
        .urls(views())
        .layer(length)
        .layer(coding);
    let server = Server::of(app, Shared::default()).await;
    let mut wire = server.connect().await;
    for path in ["/status/200", "/status/404"] {
        wire.send(get(path)).await;
        let answer = wire.answer().await;
        assert_eq!(
            (answer.header("content-length"), answer.body.as_str()),
            (Some("10"), TEN)
        );
        assert_eq!(answer.header("transfer-encoding"), None);
        assert!(log.take()[0].contains(path));
        wire.send(format!("HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
            .await;
        assert!(wire.head().await.1.contains("content-length: 10\n"));
        log.take();
    }
    wire.send(get("/status/204")).await;
    assert_eq!(wire.head().await.0, 204);
    wire.send(get("/status/200")).await;
    assert_eq!(wire.answer().await.body, TEN);
}
