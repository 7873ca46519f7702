//! Sockets and the server that they are on: its deadlines, its end, and its other connections.

use std::sync::Arc;
use std::time::Duration;

use duck::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::wire::{BINARY, FIN, PING, PONG, Server, TEXT, close, frame, handshake};

#[tokio::test]
async fn a_server_that_stops_closes_its_sockets_with_1001_and_waits_for_them() {
    let ended = Arc::new(Notify::new());
    let tell = ended.clone();
    let view = move |_: Request, mut socket: WebSocket| {
        let tell = tell.clone();
        async move {
            assert_eq!(socket.receive().await, None);
            sleep(Duration::from_millis(300)).await; // the last thing it has to do
            tell.notify_one();
        }
    };
    let mut server = Server::of(App::new(Settings::default()).urls([websocket("/", view)])).await;
    let socket = server.open("/").await;
    let start = Instant::now();
    server.running.begin_to_stop();
    assert_eq!(socket.closed().await, 1001);
    timeout(Duration::from_secs(8), server.running.stopped())
        .await
        .expect("the server stops");
    timeout(Duration::ZERO, ended.notified())
        .await
        .expect("the view came to its end first");
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_client_that_does_not_answer_holds_the_server_for_five_seconds() {
    let mut server = Server::echo("").await;
    let mut socket = server.open("/echo").await;
    let start = Instant::now();
    server.running.begin_to_stop();
    assert_eq!(socket.close_code().await, 1001);
    server.running.stopped().await;
    let took = start.elapsed();
    assert!((4..9).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test]
async fn a_socket_outlives_the_deadlines_of_requests() {
    let server = Server::echo("HEAD_TIMEOUT = 1\nIDLE_TIMEOUT = 1\nWRITE_TIMEOUT = 1").await;
    let mut socket = server.open("/echo").await;
    sleep(Duration::from_secs(3)).await;
    socket.text("still here").await;
    assert_eq!(socket.next_text().await, "still here");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off_and_its_view_dropped() {
    struct Told(Arc<Notify>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let dropped = Arc::new(Notify::new());
    let tell = dropped.clone();
    let view = move |_: Request, socket: WebSocket| {
        let told = Told(tell.clone());
        async move {
            let _told = told;
            while socket.send(vec![b'x'; 100_000]).await.is_ok() {}
        }
    };
    let settings = Settings::from_toml("WRITE_TIMEOUT = 1").unwrap();
    let server = Server::of(App::new(settings).urls([websocket("/", view)])).await;
    let socket = server.open("/").await;
    let start = Instant::now();
    timeout(Duration::from_secs(30), dropped.notified())
        .await
        .expect("it is cut off");
    assert!(start.elapsed() >= Duration::from_secs(1));
    drop(socket);
}

/// For longer than a socket has to be closed: the deadline of what is sent counts until all of it is taken.
#[tokio::test]
async fn the_last_message_of_a_view_arrives_though_its_client_is_slow_to_take_it() {
    const LAST: usize = 32 << 20; // no buffer of the system holds it
    let done = Arc::new(Notify::new());
    let tell = done.clone();
    let view = move |_: Request, socket: WebSocket| {
        let tell = tell.clone();
        async move {
            socket.send(vec![b'x'; LAST]).await.unwrap();
            tell.notify_one();
        }
    };
    let settings = Settings::from_toml("WRITE_TIMEOUT = 30").unwrap();
    let server = Server::of(App::new(settings).urls([websocket("/", view)])).await;
    let mut socket = server.open("/").await;
    done.notified().await;
    sleep(Duration::from_secs(7)).await;
    let (first, message) = socket.next().await.expect("the last message");
    assert_eq!((first, message.len()), (FIN | BINARY, LAST));
    assert!(message.iter().all(|byte| *byte == b'x'));
    assert_eq!(socket.closed().await, 1000);
}

#[tokio::test]
async fn a_flood_of_pings_whose_answers_nobody_takes_is_not_read_without_end() {
    let server = Server::echo("WRITE_TIMEOUT = 1").await;
    let mut socket = server.open("/echo").await;
    let pings = frame(FIN | PING, &[b'p'; 125]).repeat(1000);
    let flood = async {
        for sent in 0_u64.. {
            if socket.stream.write_all(&pings).await.is_err() {
                return sent;
            }
        }
        0
    };
    let sent = timeout(Duration::from_secs(40), flood)
        .await
        .expect("it is cut off");
    // What fits into the buffers of the system, both ways: the server keeps none of it.
    assert!(sent < 1000, "{sent} times 131 kB went through");
}

#[tokio::test]
async fn a_flood_of_pings_is_answered_while_the_client_reads() {
    let server = Server::echo("").await;
    let mut socket = server.open("/echo").await;
    for round in 0..200_u32 {
        let pings: Vec<u8> = (0..10)
            .flat_map(|_| frame(FIN | PING, &round.to_be_bytes()))
            .collect();
        socket.send(&pings).await;
        for _ in 0..10 {
            assert_eq!(
                socket.next().await,
                Some((FIN | PONG, round.to_be_bytes().to_vec()))
            );
        }
    }
}

#[tokio::test]
async fn a_view_that_is_slow_slows_its_client_down() {
    let go = Arc::new(Notify::new());
    let held = go.clone();
    let view = move |_: Request, mut socket: WebSocket| {
        let held = held.clone();
        async move {
            held.notified().await;
            let mut bytes = 0;
            while let Some(message) = socket.receive().await {
                bytes += message.bytes().len();
                if message.text() == Some("end") {
                    let _ = socket.send(bytes.to_string()).await;
                }
            }
        }
    };
    let server = Server::of(App::new(Settings::default()).urls([websocket("/", view)])).await;
    let mut socket = server.open("/").await;
    let message = frame(FIN | TEXT, &vec![b'x'; 100_000]);
    let mut sent = 0;
    while let Ok(result) = timeout(
        Duration::from_millis(300),
        socket.stream.write_all(&message),
    )
    .await
    {
        result.unwrap();
        sent += 1;
        assert!(
            sent < 1000,
            "100 MB were read for a view that reads nothing"
        );
    }
    go.notify_one();
    drop(socket);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_asked_and_then_closed_with_1001() {
    let server = Server::echo("WEBSOCKET_PING_INTERVAL = 1\nWEBSOCKET_IDLE_TIMEOUT = 3").await;
    let (mut silent, mut answers) = (server.open("/echo").await, server.open("/echo").await);
    let start = Instant::now();
    for _ in 0..5 {
        assert_eq!(answers.next().await, Some((FIN | PING, Vec::new())));
        answers.send(&frame(FIN | PONG, b"")).await;
    }
    assert_eq!(silent.next().await, Some((FIN | PING, Vec::new())));
    assert_eq!(silent.closed().await, 1001);
    assert!(start.elapsed() >= Duration::from_secs(3));
    answers.text("still here").await;
    assert_eq!(answers.next_text().await, "still here");
}

#[tokio::test]
async fn a_message_that_drips_in_without_end_is_no_sign_of_life() {
    let server = Server::echo("WEBSOCKET_PING_INTERVAL = 0\nWEBSOCKET_IDLE_TIMEOUT = 2").await;
    let mut socket = server.open("/echo").await;
    let start = Instant::now();
    let drip = async {
        for fragment in 0.. {
            let first = if fragment == 0 { TEXT } else { 0 };
            for byte in frame(first, b"x") {
                if socket.stream.write_all(&[byte]).await.is_err() {
                    return;
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
    };
    timeout(Duration::from_secs(30), drip)
        .await
        .expect("it is closed");
    assert!(start.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn a_failed_handshake_leaves_the_connection_to_http() {
    let server = Server::echo("").await;
    let head = handshake("/echo", "").replace("Version: 13", "Version: 12");
    let (status, answer, mut stream) = server.ask(&head).await;
    assert_eq!(status, 426);
    let length = answer
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut body)
        .await
        .unwrap();
    stream
        .write_all(handshake("/echo", "").as_bytes())
        .await
        .unwrap();
    let mut start = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut start)
        .await
        .unwrap();
    assert_eq!(&start, b"HTTP/1.1 101");
}

#[tokio::test]
async fn a_socket_counts_as_one_connection_until_it_is_closed() {
    let server = Server::echo("MAX_CONNECTIONS = 1").await;
    let mut socket = server.open("/echo").await;
    let next = server.open("/echo");
    tokio::pin!(next);
    assert!(
        timeout(Duration::from_millis(300), &mut next)
            .await
            .is_err(),
        "there is no room"
    );
    socket.send(&close(1000)).await;
    assert_eq!(socket.closed().await, 1000);
    timeout(Duration::from_secs(20), next)
        .await
        .expect("now there is");
}
