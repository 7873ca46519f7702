//! Clients that have closed their side over TLS, those that are gone, and the end of the server.

use std::sync::Arc;
use std::time::Duration;

use duck::http::Body;
use http_body_util::BodyExt;
use hyper::client::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use crate::client::{ask, connect, get, open, read_until, rest, trusting};
use crate::server::{LARGE, Server};

/// Well before the deadlines that a server has by default.
const PROMPTLY: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_client_that_has_closed_its_side_is_answered() {
    let server = Server::start("").await;
    for is_closed_first in [true, false] {
        let mut stream = open(&server).await;
        stream.write_all(get("/wait").as_bytes()).await.unwrap();
        if is_closed_first {
            stream.shutdown().await.unwrap();
        }
        server.site.shared.begun.notified().await;
        if !is_closed_first {
            stream.shutdown().await.unwrap();
        }
        // Another request after it: the server has had time to see the end of the first.
        ask(&mut open(&server).await, "/", "home").await;
        server.site.shared.go.notify_one();
        read_until(&mut stream, "at last").await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("close_notify");
        assert!(rest.is_empty());
    }
}

#[tokio::test]
async fn a_client_that_is_gone_ends_its_view() {
    let server = Server::start("SHUTDOWN_TIMEOUT = 60").await;
    let mut stream = open(&server).await;
    stream.write_all(get("/wait").as_bytes()).await.unwrap();
    server.site.shared.begun.notified().await;
    stream.get_ref().0.set_zero_linger().expect("a reset");
    drop(stream);
    timeout(PROMPTLY, server.site.stopped())
        .await
        .expect("the view ends");
}

#[tokio::test]
async fn a_client_that_may_be_gone_ends_its_view_in_time() {
    for says_goodbye in [true, false] {
        let server = Server::start("WRITE_TIMEOUT = 1\nSHUTDOWN_TIMEOUT = 60").await;
        let mut stream = open(&server).await;
        stream.write_all(get("/wait").as_bytes()).await.unwrap();
        server.site.shared.begun.notified().await;
        let start = Instant::now();
        if says_goodbye {
            stream.shutdown().await.unwrap();
        } else {
            stream.get_mut().0.shutdown().await.unwrap();
        }
        timeout(PROMPTLY, server.site.stopped())
            .await
            .expect("the view ends");
        let took = start.elapsed();
        assert!(
            (Duration::from_secs(1)..Duration::from_secs(5)).contains(&took),
            "{says_goodbye}: {took:?}"
        );
    }
}

#[tokio::test]
async fn what_comes_while_a_view_runs_is_answered_after_it() {
    let server = Server::start("").await;
    let mut stream = open(&server).await;
    stream.write_all(get("/wait").as_bytes()).await.unwrap();
    server.site.shared.begun.notified().await;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let writing = tokio::spawn(async move {
        let length = LARGE / 10;
        let head =
            format!("POST /count HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n");
        writer.write_all(head.as_bytes()).await.unwrap();
        writer.write_all(&vec![b'x'; length]).await.unwrap();
        writer.write_all(get("/").as_bytes()).await.unwrap();
        writer.shutdown().await.unwrap();
        writer
    });
    ask(&mut open(&server).await, "/", "home").await;
    server.site.shared.go.notify_one();
    read_until(&mut reader, "at last").await;
    read_until(&mut reader, "\r\n\r\n5000000").await;
    read_until(&mut reader, "home").await;
    writing.await.unwrap();
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_dropped() {
    let server = Server::start("WRITE_TIMEOUT = 1\nSHUTDOWN_TIMEOUT = 60").await;
    let mut stream = open(&server).await;
    stream.write_all(get("/large").as_bytes()).await.unwrap();
    read_until(&mut stream, "\r\n\r\n").await;
    timeout(PROMPTLY, server.site.stopped())
        .await
        .expect("it is dropped");
}

/// The site runs on: nothing but its deadline ends what it has begun to send.
#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off_in_the_midst_of_a_page_and_others_are_not() {
    let server = Server::start("WRITE_TIMEOUT = 1").await;
    let mut stream = open(&server).await;
    stream.write_all(get("/large").as_bytes()).await.unwrap();
    read_until(&mut stream, "\r\n\r\n").await;
    let mut slow = open(&server).await;
    slow.write_all(get("/large").as_bytes()).await.unwrap();
    read_until(&mut slow, "\r\n\r\n").await;
    let mut piece = vec![0; 200_000];
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(6) {
        slow.read_exact(&mut piece).await.expect("it takes some");
        sleep(Duration::from_millis(100)).await;
    }
    let taken = rest(&mut stream).await.len();
    assert!(
        taken < LARGE,
        "all of it was kept for a client that took nothing"
    );
    ask(&mut open(&server).await, "/", "home").await;
}

#[tokio::test]
async fn a_client_of_http2_that_takes_nothing_is_cut_off() {
    let server = Server::start("IDLE_TIMEOUT = 1\nWRITE_TIMEOUT = 1").await;
    let mut config = (*trusting(&server, &[&tokio_rustls::rustls::version::TLS13])).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = connect(server.address, &Arc::new(config)).await.unwrap();
    let (mut client, connection) = Builder::new(TokioExecutor::new())
        .initial_stream_window_size(65_535)
        .handshake(TokioIo::new(stream))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    let request = http::Request::builder().uri("https://localhost/large");
    let request = request.body(Body::empty()).unwrap();
    let page = client.send_request(request).await.expect("a head");
    let start = Instant::now();
    while !client.is_closed() {
        assert!(start.elapsed() < PROMPTLY, "it is held still");
        sleep(Duration::from_millis(50)).await;
    }
    assert!(
        page.into_body().collect().await.is_err(),
        "the page is cut off"
    );
}

#[tokio::test]
async fn a_server_that_stops_answers_what_is_under_way_and_says_goodbye_to_the_others() {
    let mut server = Server::start("SHUTDOWN_TIMEOUT = 60").await;
    let mut idle = open(&server).await;
    ask(&mut idle, "/", "home").await;
    let mut handshaking = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let mut busy = open(&server).await;
    busy.write_all(get("/wait").as_bytes()).await.unwrap();
    server.site.shared.begun.notified().await;
    server.site.begin_to_stop();
    let mut nothing = Vec::new();
    idle.read_to_end(&mut nothing).await.expect("close_notify");
    rest(&mut handshaking).await;
    server.site.shared.go.notify_one();
    read_until(&mut busy, "at last").await;
    busy.read_to_end(&mut nothing).await.expect("close_notify");
    timeout(PROMPTLY, server.site.stopped())
        .await
        .expect("it stops");
}
