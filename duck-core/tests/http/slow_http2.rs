//! Clients that ask for much over HTTP/2 and take little: what they cost, and for how long.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use duck::Bytes;
use duck::http::bytes;
use duck::prelude::*;
use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::frames::{
    CONTINUATION, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frames, GOAWAY, HEADERS,
    INITIAL_WINDOW_SIZE, PREFACE, REFUSED_STREAM, RST_STREAM, head,
};
use crate::http2::{ask, connect, request};
use crate::wire::{Server, Shared, get};

const PAGE: usize = 5_000_000;
/// What one connection may cost.
const MOST: usize = 64_000_000;
/// Far more than the deadlines below: the machine may be busy.
const SOON: Duration = Duration::from_secs(15);

const DEADLINES: &str = "HEAD_TIMEOUT = 2\nIDLE_TIMEOUT = 2\nWRITE_TIMEOUT = 2\n";

/// The views of these tests, and what they have at work and in memory.
#[derive(Clone, Default)]
struct Seen {
    at_work: Arc<AtomicUsize>,
    go: Arc<Notify>,
    bytes: Arc<AtomicUsize>,
    most_bytes: Arc<AtomicUsize>,
}

/// A page that is counted while anybody has it.
struct Counted(Vec<u8>, Seen);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.bytes.fetch_sub(self.0.len(), Relaxed);
    }
}

impl Seen {
    fn page(&self, length: usize) -> Response {
        let now = self.bytes.fetch_add(length, Relaxed) + length;
        self.most_bytes.fetch_max(now, Relaxed);
        bytes(Bytes::from_owner(Counted(vec![b'x'; length], self.clone())))
    }

    async fn server(&self, settings: &str) -> Server {
        let [quick, slow, small, waiting] = [(); 4].map(|()| self.clone());
        let settings = Settings::from_toml(settings).expect("settings");
        let app = App::new(settings).urls([
            path("/quick", move |_request: Request| {
                std::future::ready(quick.page(PAGE))
            }),
            path("/slow", move |_request: Request| {
                let seen = slow.clone();
                async move {
                    sleep(Duration::from_millis(50)).await;
                    seen.page(PAGE)
                }
            }),
            path("/small", move |_request: Request| {
                std::future::ready(small.page(2))
            }),
            path("/wait", move |_request: Request| {
                let seen = waiting.clone();
                async move {
                    seen.at_work.fetch_add(1, Relaxed);
                    seen.go.notified().await;
                    "at last"
                }
            }),
        ]);
        Server::of(app, Shared::default()).await
    }

    async fn has_at_work(&self, count: usize) -> bool {
        let all = async {
            while self.at_work.load(Relaxed) < count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, all).await.is_ok()
    }
}

/// The odd numbers from 1 on: the streams of a client.
fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|number| 2 * number + 1)
}

/// One test, so that all of them wait at the same time.
#[tokio::test]
async fn who_takes_nothing_is_ended_however_often_it_pings() {
    tokio::join!(
        pages_that_nobody_takes("/quick"),
        pages_that_nobody_takes("/slow"),
        pages_that_nobody_takes_after_many_that_were_taken(),
        a_window_that_is_taken_back(),
        no_request_at_all(),
        a_head_without_end(),
        a_connection_that_does_not_go(),
        requests_after_the_end_was_told(),
    );
}

async fn pages_that_nobody_takes(path: &str) {
    let seen = Seen::default();
    let server = seen.server(DEADLINES).await;
    let mut frames = Frames::connect(&server).await;
    frames.set(INITIAL_WINDOW_SIZE, 0).await;
    for stream in streams(200) {
        frames.get(stream, path).await;
    }
    frames.ping_until_the_end(SOON).await;
    let most = seen.most_bytes.load(Relaxed);
    assert!((PAGE..MOST).contains(&most), "{path}: {most} bytes");
    drop(frames);
    server.stopped().await;
    assert_eq!(
        seen.bytes.load(Relaxed),
        0,
        "{path}: all of it is given back"
    );
}

async fn pages_that_nobody_takes_after_many_that_were_taken() {
    let seen = Seen::default();
    let server = seen.server(DEADLINES).await;
    let mut frames = Frames::connect(&server).await;
    for stream in streams(150) {
        frames.get(stream, "/small").await;
        while !frames.next().await.expect("an answer").ends_its_stream() {}
    }
    frames.set(INITIAL_WINDOW_SIZE, 0).await;
    for stream in streams(250).skip(150) {
        frames.get(stream, "/slow").await;
    }
    let reset = frames
        .next_of(RST_STREAM)
        .await
        .expect("too much is dropped");
    assert_eq!(reset.code(), Some(ENHANCE_YOUR_CALM));
    frames.ping_until_the_end(SOON).await;
    let most = seen.most_bytes.load(Relaxed);
    assert!((PAGE..MOST).contains(&most), "{most} bytes");
}

/// The bytes that were written for a window are not forgotten when it is made smaller.
async fn a_window_that_is_taken_back() {
    let seen = Seen::default();
    let server = seen.server(DEADLINES).await;
    let mut frames = Frames::connect(&server).await;
    for stream in streams(20) {
        frames.get(stream, "/quick").await;
    }
    frames.set(INITIAL_WINDOW_SIZE, 0).await;
    frames.ping_until_the_end(SOON).await;
}

async fn no_request_at_all() {
    let server = Server::start("HEAD_TIMEOUT = 2").await;
    let took = Frames::connect(&server)
        .await
        .ping_until_the_end(SOON)
        .await;
    assert!(took > Duration::from_secs(1), "after {took:?}");
    // A faulty head is no request either.
    let mut frames = Frames::connect(&server).await;
    frames
        .send(HEADERS, END_HEADERS | END_STREAM, 1, &[0x82])
        .await;
    frames.ping_until_the_end(SOON).await;
}

async fn a_head_without_end() {
    let server = Server::start("HEAD_TIMEOUT = 2").await;
    let mut frames = Frames::connect(&server).await;
    frames.send(HEADERS, END_STREAM, 1, &head("/")).await;
    let start = Instant::now();
    while frames.try_send(CONTINUATION, 0, 1, &[]).await.is_ok() {
        assert!(start.elapsed() < SOON, "it is still there");
        sleep(Duration::from_millis(200)).await;
    }
}

/// It was told that there will be no more requests, and does not answer.
async fn a_connection_that_does_not_go() {
    let server = Server::start(DEADLINES).await;
    let mut frames = Frames::connect(&server).await;
    frames.get(1, "/").await;
    let told = timeout(SOON, frames.next_of(GOAWAY)).await;
    assert!(told.expect("in time").is_some());
    frames.ping_until_the_end(SOON).await;
}

async fn requests_after_the_end_was_told() {
    let server = Server::start("IDLE_TIMEOUT = 1").await;
    let mut frames = Frames::connect(&server).await;
    frames.get(1, "/").await;
    frames.next_of(GOAWAY).await.expect("the end is told");
    let start = Instant::now();
    for stream in streams(1000).skip(1) {
        frames.get(stream, "/").await;
        loop {
            let frame = frames.next().await.expect("an answer");
            if frame.code() == Some(REFUSED_STREAM) {
                assert!(start.elapsed() > Duration::from_secs(3), "too soon");
                return;
            }
            if frame.ends_its_stream() {
                break;
            }
        }
        assert!(start.elapsed() < SOON, "it is still answered");
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn who_takes_its_pages_gets_all_it_asks_for() {
    let seen = Seen::default();
    let server = seen.server("").await;
    let client = connect(&server).await;
    let pages = (0..60).map(|_| ask(&client, request("GET", "/slow", "")));
    for (status, page) in join_all(pages).await {
        assert_eq!((status.as_u16(), page.len()), (200, PAGE));
    }
    assert!(seen.most_bytes.load(Relaxed) < MOST);
}

#[tokio::test]
async fn a_new_client_has_a_few_views_at_work_and_more_when_it_takes_what_they_answer() {
    let seen = Seen::default();
    let server = seen.server("").await;
    let client = connect(&server).await;
    let all = tokio::spawn({
        let client = client.clone();
        async move { join_all((0..20).map(|_| ask(&client, request("GET", "/wait", "")))).await }
    });
    assert!(seen.has_at_work(6).await);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(seen.at_work.load(Relaxed), 6, "the others wait");
    for begun in [7, 8, 10] {
        // One is answered: its turn goes to another, and there is one more.
        seen.go.notify_one();
        assert!(seen.has_at_work(begun).await);
    }
    while !all.is_finished() {
        seen.go.notify_waiters();
        sleep(Duration::from_millis(5)).await;
    }
    for (_, answer) in all.await.expect("no panic") {
        assert_eq!(answer, "at last");
    }
}

#[tokio::test]
async fn a_trusted_proxy_has_as_many_views_at_work_as_it_has_streams() {
    let seen = Seen::default();
    let server = seen.server("TRUSTED_PROXIES = ['127.0.0.0/8']").await;
    let client = connect(&server).await;
    let all = tokio::spawn(async move {
        join_all((0..90).map(|_| ask(&client, request("GET", "/wait", "")))).await
    });
    assert!(seen.has_at_work(90).await);
    seen.go.notify_waiters();
    assert_eq!(all.await.expect("no panic").len(), 90);
}

/// Faulty heads, and a head without end: what costs the client nothing comes to an end.
#[tokio::test]
async fn floods_are_ended_and_others_are_served() {
    let server = Server::start("").await;
    for flood in [HEADERS, CONTINUATION] {
        let mut frames = Frames::connect(&server).await;
        if flood == CONTINUATION {
            frames.send(HEADERS, END_STREAM, 1, &head("/")).await;
        }
        for stream in streams(2000) {
            // The server may have closed the connection.
            let _ = if flood == HEADERS {
                let flags = END_HEADERS | END_STREAM;
                frames.try_send(HEADERS, flags, stream, &[0x82]).await
            } else {
                frames.try_send(CONTINUATION, 0, 1, &[0; 1000]).await
            };
        }
        let end = timeout(SOON, frames.next_of(GOAWAY)).await;
        assert!(end.is_ok(), "{flood} is taken in without end");
        assert_eq!(server.get("/").await.body, "home");
    }
}

#[tokio::test]
async fn requests_that_are_taken_back_leave_nothing_behind() {
    let seen = Seen::default();
    let server = seen.server("").await;
    for _ in 0..20 {
        let mut frames = Frames::connect(&server).await;
        for stream in streams(100) {
            let cancel = [0, 0, 0, 8];
            let flags = END_HEADERS | END_STREAM;
            let _ = frames
                .try_send(HEADERS, flags, stream, &head("/slow"))
                .await;
            let _ = frames.try_send(RST_STREAM, 0, stream, &cancel).await;
            let _ = frames.try_ping().await;
        }
    }
    server.stopped().await;
    assert_eq!(seen.bytes.load(Relaxed), 0);
    assert!(seen.most_bytes.load(Relaxed) < MOST);
}

/// A connection from another address of this machine.
async fn from(server: &Server, host: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    let host = Ipv4Addr::new(127, 9, 9, host);
    socket.bind((host, 0).into()).expect("an address");
    socket.connect(server.address).await.expect("it listens")
}

#[tokio::test]
async fn one_address_does_not_hold_all_connections_without_asking_for_anything() {
    let settings = "MAX_CONNECTIONS = 10\nMAX_NEW_CONNECTIONS_PER_ADDRESS = 3";
    let server = Server::start(settings).await;
    let mut held = Vec::new();
    for number in 0..30 {
        let mut stream = from(&server, 1).await;
        if number % 2 == 0 {
            // It speaks HTTP/2, and no more. The server may have closed it by now.
            let _ = stream.write_all(PREFACE).await;
        }
        held.push(stream);
    }
    // Some others come in, and stay.
    let mut others = Vec::new();
    for host in [2, 3] {
        let mut frames = Frames::over(from(&server, host).await).await;
        frames.get(1, "/").await;
        let answer = timeout(SOON, frames.next_of(HEADERS)).await;
        assert!(answer.expect("it gets in").is_some());
        others.push(frames);
    }
    // Those that have asked for something count no longer.
    for _ in 0..4 {
        let mut wire = crate::wire::Wire::over(from(&server, 4).await);
        wire.send(get("/")).await;
        assert_eq!(wire.answer().await.body, "home");
        drop(wire);
    }
}

#[tokio::test]
async fn a_trusted_proxy_opens_as_many_connections_as_it_likes() {
    let settings = "MAX_NEW_CONNECTIONS_PER_ADDRESS = 1\nTRUSTED_PROXIES = ['127.9.9.7']";
    let server = Server::start(settings).await;
    let mut wires = Vec::new();
    for _ in 0..5 {
        wires.push(crate::wire::Wire::over(from(&server, 7).await));
    }
    for wire in &mut wires {
        wire.send(get("/")).await;
        assert_eq!(wire.answer().await.body, "home");
    }
}
