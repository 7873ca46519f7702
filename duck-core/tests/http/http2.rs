//! HTTP/2 on the same port, for clients that know it beforehand.

use std::time::Duration;

use duck::http::Body;
use duck::{Bytes, StatusCode};
use http_body_util::BodyExt;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::curl;
use crate::wire::Server;

pub(crate) async fn connect(server: &Server) -> SendRequest<Body> {
    let stream = TcpStream::connect(server.address)
        .await
        .expect("a connection");
    let (client, connection) = Builder::new(TokioExecutor::new())
        .initial_stream_window_size(65_535)
        .handshake(TokioIo::new(stream))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    client
}

pub(crate) fn request(method: &str, path: &str, body: impl Into<Body>) -> http::Request<Body> {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("http://test{path}"));
    request.body(body.into()).expect("a request")
}

pub(crate) async fn ask(
    client: &SendRequest<Body>,
    request: http::Request<Body>,
) -> (StatusCode, Bytes) {
    let response = client
        .clone()
        .send_request(request)
        .await
        .expect("a response");
    let status = response.status();
    let body = response.into_body().collect().await.expect("a whole body");
    (status, body.to_bytes())
}

#[tokio::test]
async fn requests_share_a_connection() {
    let server = Server::start("").await;
    let client = connect(&server).await;
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, request("GET", "/wait", "")).await }
    });
    server.shared.begun.notified().await;
    assert_eq!(
        ask(&client, request("GET", "/", "")).await,
        (StatusCode::OK, "home".into())
    );
    assert_eq!(
        ask(&client, request("POST", "/echo", "hello")).await,
        (StatusCode::OK, "hello".into())
    );
    assert_eq!(ask(&client, request("GET", "/panic", "")).await.0, 500);
    assert_eq!(
        ask(&client, request("HEAD", "/", "")).await,
        (StatusCode::OK, "".into())
    );
    server.shared.go.notify_one();
    assert_eq!(waiting.await.expect("no panic").1, "at last");
}

#[tokio::test]
async fn limits_hold_here_too() {
    let server = Server::start("MAX_BODY_BYTES = 10").await;
    let client = connect(&server).await;
    assert_eq!(
        ask(&client, request("POST", "/echo", "x".repeat(11)))
            .await
            .0,
        413
    );
    assert_eq!(
        ask(&client, request("POST", "/echo", "x".repeat(10)))
            .await
            .0,
        200
    );
    let large = http::Request::builder()
        .uri("http://test/")
        .header("x", "x".repeat(100_000));
    let refused = client
        .clone()
        .send_request(large.body(Body::empty()).expect("a request"))
        .await;
    assert!(refused.is_err() || refused.is_ok_and(|response| response.status() == 431));
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_an_error_to_the_client() {
    let server = Server::start("").await;
    let client = connect(&server).await;
    let response = client
        .clone()
        .send_request(request("GET", "/break", ""))
        .await
        .expect("a head");
    server.shared.go.notify_one();
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(
        ask(&client, request("GET", "/", "")).await.1,
        "home",
        "and only this stream"
    );
}

#[tokio::test]
async fn the_server_stops_when_its_streams_are_done() {
    let mut server = Server::start("").await;
    let client = connect(&server).await;
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, request("GET", "/wait", "")).await }
    });
    server.shared.begun.notified().await;
    server.begin_to_stop();
    server.shared.go.notify_one();
    assert_eq!(waiting.await.expect("no panic").1, "at last");
    server.stopped().await;
}

/// One test, so that all of them wait at the same time.
#[tokio::test]
async fn clients_that_take_nothing_are_ended_and_slow_ones_are_not() {
    tokio::join!(
        a_client_that_takes_nothing_is_ended("/large"),
        a_client_that_takes_nothing_is_ended("/endless"),
        a_slow_download_is_not_ended_for_its_slowness(),
        an_idle_connection_is_ended_by_its_own_deadline(),
    );
}

async fn a_client_that_takes_nothing_is_ended(path: &str) {
    let server = Server::start("IDLE_TIMEOUT = 1\nWRITE_TIMEOUT = 1").await;
    let client = connect(&server).await;
    let response = client
        .clone()
        .send_request(request("GET", path, ""))
        .await
        .expect("a head");
    let start = Instant::now();
    while !client.is_closed() {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{path} is held still"
        );
        sleep(Duration::from_millis(50)).await;
    }
    drop(response);
}

async fn a_slow_download_is_not_ended_for_its_slowness() {
    let server = Server::start("HEAD_TIMEOUT = 1\nIDLE_TIMEOUT = 1\nWRITE_TIMEOUT = 2").await;
    let client = connect(&server).await;
    let mut body = client
        .clone()
        .send_request(request("GET", "/large", ""))
        .await
        .expect("a head")
        .into_body();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        let piece = body.frame().await.expect("a piece").expect("no error");
        assert!(piece.is_data());
        sleep(Duration::from_millis(100)).await;
    }
}

async fn an_idle_connection_is_ended_by_its_own_deadline() {
    let server = Server::start("HEAD_TIMEOUT = 1\nIDLE_TIMEOUT = 60").await;
    let client = connect(&server).await;
    assert_eq!(ask(&client, request("GET", "/", "")).await.1, "home");
    sleep(Duration::from_secs(4)).await;
    assert_eq!(ask(&client, request("GET", "/", "")).await.1, "home");
}

#[tokio::test]
async fn curl_gets_pages_streams_and_refusals() {
    let mut server = Server::start("MAX_BODY_BYTES = 100").await;
    server.shared.go.notify_one();
    let piece = "x".repeat(3_000_000);
    for (path, options, status, length) in [
        ("/large", &[][..], 200, 50_000_000),
        ("/slow-stream", &[], 200, 12),
        ("/large", &["--head"], 200, 0),
        ("/missing", &["--data-binary", "@-"], 404, 0),
        ("/echo", &["--data-binary", "@-"], 413, 0),
    ] {
        let url = format!("http://{}{path}", server.address);
        let mut all = vec!["--http2-prior-knowledge", "--max-time", "40", &url];
        all.extend(options);
        let Some(answer) = curl::run(&all, piece.clone()).await else {
            return;
        };
        let first = format!("< HTTP/2 {status}");
        assert!(answer.log.contains(&first), "{path}: {}", answer.log);
        assert!(answer.log.contains("< date: "), "{path}: {}", answer.log);
        if length > 0 {
            assert_eq!(answer.body.len(), length, "{path}: {}", answer.log);
        }
    }
    server.begin_to_stop();
    server.stopped().await;
}
