//! Server-sent events: when they are sent, and when they end.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use duck::prelude::*;
use duck::testing::TestClient;
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

#[path = "running/mod.rs"]
mod running;

use self::running::Running;

async fn site(urls: impl IntoIterator<Item = UrlPattern>) -> TestClient {
    TestClient::start(App::new(Settings::default()).urls(urls)).await
}

#[tokio::test]
async fn events_are_not_kept_or_held_back_on_their_way() {
    let view =
        async |request: Request| sse(&request, stream::iter([Ok::<_, Error>(Event::new("a\nb"))]));
    let answer = site([path("/", view)]).await.get("/").await;
    assert_eq!(answer.text(), "data: a\ndata: b\n\n");
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_closure_sends_events_and_its_error_breaks_them_off() {
    let view = async |request: Request| {
        sse_with(&request, async |events| {
            events.send(Event::new("1").name("count")?).await?;
            Err(Error::internal("no more"))
        })
    };
    let answer = site([path("/", view)]).await.get("/").await;
    assert!(answer.body().unwrap_err().contains("no more"));
}

#[tokio::test(start_paused = true)]
async fn silence_is_filled_with_comments() {
    let view = async |request: Request| {
        sse_with(&request, async |events| {
            for seconds in [1, 14, 16, 50] {
                sleep(Duration::from_secs(seconds)).await;
                events.send(Event::new(seconds.to_string())).await?;
            }
            Ok(())
        })
    };
    let answer = site([path("/", view)]).await.get("/").await;
    let expected = "data: 1\n\ndata: 14\n\n:\n\ndata: 16\n\n:\n\n:\n\n:\n\ndata: 50\n\n";
    assert_eq!(answer.text(), expected);
}

#[tokio::test]
async fn the_last_id_is_what_the_browser_got() {
    let view = async |request: Request| {
        request
            .last_event_id()
            .map(str::to_owned)
            .unwrap_or_default()
    };
    let site = site([path("/", view)]).await;
    assert_eq!(site.get("/").await.text(), "");
    assert_eq!(site.get("/").header("last-event-id", "7").await.text(), "7");
    assert_eq!(
        site.get("/").header("last-event-id", "\u{e4}").await.text(),
        "\u{e4}"
    );
}

struct Server {
    address: std::net::SocketAddr,
    running: Running,
}

async fn serve(settings: &str, view: UrlPattern) -> Server {
    let settings = Settings::from_toml(settings).unwrap();
    let site = App::new(settings).urls([view]).start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let running = Running::start(listener, site);
    Server { address, running }
}

/// Asks, and waits for the first event.
async fn ask(server: &Server) -> TcpStream {
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    while !answer.windows(12).any(|text| text == b"data: first\n") {
        assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0);
    }
    client
}

/// Tells when it is dropped.
struct Told(Arc<Notify>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// One event, and then none, without an end.
fn endless(told: &Arc<Notify>) -> UrlPattern {
    let told = told.clone();
    path("/", move |request: Request| {
        let told = Told(told.clone());
        async move {
            let first = stream::iter([Ok::<_, Error>(Event::new("first"))]);
            let events = first.chain(stream::pending()).inspect(move |_| {
                let _ = &told;
            });
            sse(&request, events)
        }
    })
}

#[tokio::test]
async fn a_server_that_stops_ends_them_whole() {
    let told = Arc::new(Notify::new());
    let mut server = serve("", endless(&told)).await;
    let mut client = ask(&server).await;
    let start = Instant::now();
    server.running.begin_to_stop();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert!(
        rest.ends_with(b"0\r\n\r\n"),
        "{:?}",
        String::from_utf8_lossy(&rest)
    );
    server.running.stopped().await;
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    timeout(Duration::from_secs(1), told.notified())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_stream() {
    let told = Arc::new(Notify::new());
    let server = serve("WRITE_TIMEOUT = 1", endless(&told)).await;
    let client = ask(&server).await;
    drop(client);
    timeout(Duration::from_secs(20), told.notified())
        .await
        .expect("the stream is dropped");
}
