//! Clients that make a site fail as often as they can: the log stays readable.

use std::io;
use std::time::Duration;

use duck::http::{Body, RequestError, stream};
use duck::prelude::*;
use tokio::time::{Instant, sleep};
use tower::BoxError;
use tower::util::AndThenLayer;

use crate::log::Log;
use crate::wire::{Server, Shared, get};

/// Of one kind and one second.
const MOST: usize = 10;

async fn full(_request: Request) -> Result<Response> {
    let why = "too many people log in at this moment";
    Err(RequestError::new(StatusCode::SERVICE_UNAVAILABLE, why).into())
}

async fn broken(_request: Request) -> Response {
    let failure = io::Error::other("the disk is on fire");
    stream(
        "text/plain",
        futures_util::stream::iter([Err::<Bytes, _>(failure)]),
    )
}

async fn no_answer(_request: Request) -> Response {
    Response::new(StatusCode::CONTINUE)
}

async fn mended(_request: Request) -> Response {
    text("text").with_status(StatusCode::NO_CONTENT)
}

fn app() -> App {
    App::new(Settings::default()).urls([
        path("/full", full),
        path("/broken", broken),
        path("/no-answer", no_answer),
        path("/mended", mended),
        path("/", async |_request: Request| "home"),
    ])
}

/// The lines of a flood of requests that lasts for no longer than so many seconds, and of the rest of the last
/// of them.
async fn flood(server: &Server, log: &Log, path: &str) -> (Vec<String>, usize) {
    let start = Instant::now();
    for _ in 0..200 {
        let mut wire = server.connect().await;
        wire.send(get(path).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))
            .await;
        wire.rest().await;
    }
    let seconds = usize::try_from(start.elapsed().as_secs()).expect("a few") + 1;
    sleep(Duration::from_millis(1500)).await;
    let loud = |line: &String| line.starts_with("ERROR") || line.starts_with("WARN");
    (log.take().into_iter().filter(loud).collect(), seconds)
}

fn is_bounded(lines: &[String], text: &str, seconds: usize) {
    let (counts, whole): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.contains("more="));
    assert!(whole.iter().all(|line| line.contains(text)), "{whole:?}");
    assert!((MOST..=MOST * seconds).contains(&whole.len()), "{whole:?}");
    let more = |line: &&String| -> usize {
        let (_, count) = line.split_once("more=").expect("a count");
        let end = count.find(|byte: char| !byte.is_ascii_digit());
        count[..end.unwrap_or(count.len())]
            .parse()
            .expect("a number")
    };
    assert!(counts.iter().all(|line| line.contains(text)), "{counts:?}");
    let told: usize = counts.iter().map(more).sum();
    assert_eq!(told + whole.len(), 200, "none is left out: {counts:?}");
}

#[tokio::test]
async fn lines_that_a_client_causes_are_few_and_all_are_counted() {
    let kinds = [
        ("/full", "a request failed"),
        ("/broken", "a response broke off"),
        ("/no-answer", "a view cannot answer with this status"),
        ("/mended", "a response with this status has no body"),
    ];
    for (path, text) in kinds {
        let (log, _guard) = Log::listen();
        let server = Server::of(app(), Shared::default()).await;
        let (lines, seconds) = flood(&server, &log, path).await;
        is_bounded(&lines, text, seconds);
        assert_eq!(server.get("/").await.status, 200);
    }
}

#[tokio::test]
async fn a_tower_layer_that_sheds_load_does_not_fill_the_log() {
    let (log, _guard) = Log::listen();
    let nobody = AndThenLayer::new(async |_response: http::Response<Body>| {
        Err::<http::Response<Body>, BoxError>("nobody gets in".into())
    });
    let server = Server::of(app().layer(nobody), Shared::default()).await;
    let (lines, seconds) = flood(&server, &log, "/").await;
    is_bounded(&lines, "a tower layer failed", seconds);
}
