//! What becomes of connections when the server stops.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use duck::prelude::*;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::wire::{Server, Shared, get};

#[tokio::test]
async fn a_request_under_way_is_finished() {
    let mut server = Server::start("").await;
    let (mut waiting, mut idle) = (server.connect().await, server.connect().await);
    idle.send(get("/")).await;
    assert_eq!(idle.answer().await.status, 200);
    waiting.send(get("/wait")).await;
    server.shared.begun.notified().await;

    server.begin_to_stop();
    assert_eq!(idle.rest().await, "", "an idle connection ends at once");
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "nobody new comes in"
    );
    server.shared.go.notify_one();
    let answer = waiting.answer().await;
    assert_eq!(
        (answer.body.as_str(), answer.header("connection")),
        ("at last", Some("close"))
    );
    assert_eq!(waiting.rest().await, "");
    server.stopped().await;
}

#[tokio::test]
async fn a_stream_under_way_is_finished() {
    let mut server = Server::start("").await;
    let mut wire = server.connect().await;
    wire.send(get("/slow-stream")).await;
    assert_eq!(wire.head().await.0, 200);
    server.begin_to_stop();
    assert!(wait_for_refusal(&server).await);
    server.shared.go.notify_one();
    assert!(wire.rest().await.ends_with("piece \r\n0\r\n\r\n"));
    server.stopped().await;
}

#[tokio::test]
async fn what_takes_too_long_is_cut_off() {
    let server = Server::start("SHUTDOWN_TIMEOUT = 1").await;
    let mut wire = server.connect().await;
    wire.send(get("/wait")).await;
    server.shared.begun.notified().await;
    let (start, dropped) = (Instant::now(), server.shared.dropped.clone());
    server.stopped().await;
    assert!(
        (Duration::from_millis(900)..Duration::from_secs(9)).contains(&start.elapsed()),
        "after {:?}",
        start.elapsed()
    );
    dropped.notified().await;
    assert_eq!(wire.rest().await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_view_that_blocks_its_thread_does_not_hold_the_stop() {
    let (release, blocked) = mpsc::channel::<()>();
    let (shared, blocked) = (Shared::default(), Arc::new(Mutex::new(blocked)));
    let begun = shared.begun.clone();
    let blocks = path("/", move |_: Request| {
        let (begun, blocked) = (begun.clone(), blocked.clone());
        async move {
            begun.notify_one();
            let _ = blocked.lock().expect("nobody panics").recv();
        }
    });
    let (told, stopped) = mpsc::channel();
    let app = App::new(Settings::default())
        .setting("SHUTDOWN_TIMEOUT", 1)
        .urls([blocks])
        .with(async move |setup: &mut duck::Setup<'_>| {
            setup.on_stop(move || {
                let told = told.clone();
                async move { told.send(()).expect("the test waits") }
            });
            Ok(())
        });
    let server = Server::of(app, shared).await;
    let mut wire = server.connect().await;
    wire.send(get("/")).await;
    server.shared.begun.notified().await;
    server.stopped().await;
    assert_eq!(stopped.try_recv(), Ok(()), "what components do at the end");
    drop(release);
}

#[tokio::test]
async fn a_connection_that_was_just_made_may_still_ask() {
    let mut server = Server::start("").await;
    let mut wire = server.connect().await;
    // Another one behind it in the queue says that it has been accepted.
    assert_eq!(server.get("/").await.status, 200);
    server.begin_to_stop();
    assert!(wait_for_refusal(&server).await);
    wire.send(get("/")).await;
    assert_eq!(wire.answer().await.body, "home");
    assert_eq!(wire.rest().await, "");
    server.stopped().await;
}

#[tokio::test]
async fn half_a_head_does_not_hold_the_server_for_long() {
    let server = Server::start("SHUTDOWN_TIMEOUT = 1\nHEAD_TIMEOUT = 60").await;
    let mut wire = server.connect().await;
    wire.send("GET / HTTP/1.1\r\n").await;
    let start = Instant::now();
    server.stopped().await;
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "after {:?}",
        start.elapsed()
    );
}

/// Waits until the listener is gone.
async fn wait_for_refusal(server: &Server) -> bool {
    for _ in 0..1000 {
        if TcpStream::connect(server.address).await.is_err() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}
