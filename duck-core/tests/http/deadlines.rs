//! Clients that keep still.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::wire::{Server, get};

/// A deadline of a second is over within an eighth more on an idle machine. Half a minute is far from the
/// other deadlines, and enough for a busy one.
const SOON: Duration = Duration::from_secs(30);

const OTHERS_LONG: &str =
    "HEAD_TIMEOUT = 60\nBODY_TIMEOUT = 60\nIDLE_TIMEOUT = 60\nWRITE_TIMEOUT = 60\n";

fn only(setting: &str) -> String {
    OTHERS_LONG.replace(&format!("{setting} = 60"), &format!("{setting} = 1"))
}

/// One test, so that all of them wait at the same time.
#[tokio::test]
async fn clients_that_keep_still_are_ended_and_slow_ones_are_not() {
    tokio::join!(
        a_connection_that_says_nothing_is_ended(),
        a_head_that_drips_is_ended(),
        a_second_head_that_drips_is_ended(),
        a_head_has_all_its_time_whenever_it_begins(),
        a_body_that_never_comes_is_408(),
        a_body_that_drips_is_408(),
        an_idle_connection_is_ended_and_not_before_its_time(),
        a_client_that_stops_reading_is_ended(),
        a_view_may_take_longer_than_all_deadlines(),
        a_stream_may_rest_longer_than_all_deadlines_though_the_next_request_waits(),
        a_slow_reader_keeps_its_connection(),
    );
}

async fn a_connection_that_says_nothing_is_ended() {
    let server = Server::start(&only("HEAD_TIMEOUT")).await;
    let (wire, start) = (server.connect().await, Instant::now());
    assert_eq!(wire.rest().await, "");
    assert!(
        (Duration::from_secs(1)..SOON).contains(&start.elapsed()),
        "after {:?}",
        start.elapsed()
    );
}

async fn a_head_that_drips_is_ended() {
    let server = Server::start(&only("HEAD_TIMEOUT")).await;
    let mut wire = server.connect().await;
    let start = Instant::now();
    wire.send("GET / HTTP/1.1\r\nHost: test\r\nX: ").await;
    while wire.try_send("x").await.is_ok() {
        assert!(start.elapsed() < SOON, "it drips still");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn a_second_head_that_drips_is_ended() {
    let server = Server::start(&only("HEAD_TIMEOUT")).await;
    let mut wire = server.connect().await;
    wire.send(get("/")).await;
    assert_eq!(wire.answer().await.status, 200);
    let start = Instant::now();
    wire.send("GET / HTTP/1.1\r\n").await;
    assert_eq!(wire.rest().await, "");
    assert!(
        (Duration::from_secs(1)..SOON).contains(&start.elapsed()),
        "after {:?}",
        start.elapsed()
    );
}

async fn a_head_has_all_its_time_whenever_it_begins() {
    let server = Server::start("HEAD_TIMEOUT = 3").await;
    // The server's look at the connection falls into each of these heads.
    let wires = (0..4).map(async |_| {
        let mut wire = server.connect().await;
        wire.send(get("/")).await;
        assert_eq!(wire.answer().await.status, 200);
        for _ in 0..3 {
            sleep(Duration::from_millis(750)).await;
            wire.send("GET / HTTP/1.1\r\n").await;
            sleep(Duration::from_millis(1500)).await;
            wire.send("Host: test\r\n\r\n").await;
            assert_eq!(wire.answer().await.status, 200);
        }
    });
    futures_util::future::join_all(wires).await;
}

async fn a_body_that_never_comes_is_408() {
    let server = Server::start(&only("BODY_TIMEOUT")).await;
    let mut wire = server.connect().await;
    let start = Instant::now();
    wire.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhel")
        .await;
    assert_eq!(wire.answer().await.status, 408);
    assert!(
        (Duration::from_secs(1)..SOON).contains(&start.elapsed()),
        "after {:?}",
        start.elapsed()
    );
    assert_eq!(wire.rest().await, "");
}

async fn a_body_that_drips_is_408() {
    let server = Server::start(&only("BODY_TIMEOUT")).await;
    let mut wire = server.connect().await;
    wire.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let start = Instant::now();
    while wire.try_send("1\r\nx\r\n").await.is_ok() {
        assert!(start.elapsed() < SOON, "it drips still");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn an_idle_connection_is_ended_and_not_before_its_time() {
    let server = Server::start(&OTHERS_LONG.replace("IDLE_TIMEOUT = 60", "IDLE_TIMEOUT = 3")).await;
    let mut wire = server.connect().await;
    for pause in [0, 1800, 1800] {
        sleep(Duration::from_millis(pause)).await;
        wire.send(get("/")).await;
        assert_eq!(wire.answer().await.status, 200);
    }
    let start = Instant::now();
    assert_eq!(wire.rest().await, "");
    assert!(
        (Duration::from_secs(3)..SOON).contains(&start.elapsed()),
        "after {:?}",
        start.elapsed()
    );
}

async fn a_client_that_stops_reading_is_ended() {
    for path in ["/endless", "/large"] {
        let server = Server::start(&only("WRITE_TIMEOUT")).await;
        let mut wire = server.connect().await;
        wire.send(get(path)).await;
        assert_eq!(wire.head().await.0, 200);
        let start = Instant::now();
        // Nothing is read, so the end can be seen only where the server goes.
        server.stopped().await;
        assert!(
            start.elapsed() < SOON,
            "{path} held the server for {:?}",
            start.elapsed()
        );
    }
}

async fn a_view_may_take_longer_than_all_deadlines() {
    let server =
        Server::start("HEAD_TIMEOUT = 1\nBODY_TIMEOUT = 1\nIDLE_TIMEOUT = 1\nWRITE_TIMEOUT = 1")
            .await;
    let mut wire = server.connect().await;
    wire.send(get("/wait")).await;
    sleep(Duration::from_secs(4)).await;
    server.shared.go.notify_one();
    assert_eq!(wire.answer().await.body, "at last");
}

async fn a_stream_may_rest_longer_than_all_deadlines_though_the_next_request_waits() {
    let server =
        Server::start("HEAD_TIMEOUT = 1\nBODY_TIMEOUT = 1\nIDLE_TIMEOUT = 1\nWRITE_TIMEOUT = 1")
            .await;
    let mut wire = server.connect().await;
    wire.send(get("/slow-stream")).await;
    assert_eq!(wire.head().await.0, 200);
    wire.send(get("/")).await;
    sleep(Duration::from_secs(4)).await;
    server.shared.go.notify_one();
    let rest = wire.rest().await;
    assert!(rest.contains("piece \r\n0\r\n\r\n"), "{rest}");
    assert!(rest.ends_with("home"), "{rest}");
}

async fn a_slow_reader_keeps_its_connection() {
    let server =
        Server::start("HEAD_TIMEOUT = 1\nBODY_TIMEOUT = 1\nIDLE_TIMEOUT = 1\nWRITE_TIMEOUT = 2")
            .await;
    let mut wire = server.connect().await;
    wire.send(get("/endless")).await;
    assert_eq!(wire.head().await.0, 200);
    let start = Instant::now();
    let mut piece = vec![0; 4_000_000];
    while start.elapsed() < Duration::from_secs(5) {
        tokio::io::AsyncReadExt::read_exact(&mut wire.stream, &mut piece)
            .await
            .expect("it is still there");
        sleep(Duration::from_millis(300)).await;
    }
}
