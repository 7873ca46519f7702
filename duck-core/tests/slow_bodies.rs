//! Bodies that take their time. The clock is the test's own: it goes on when everybody waits.
#![cfg(feature = "multipart")]

use std::time::Duration;

use duck::http::Body;
use duck::http::POST;
use duck::testing::{TestClient, TestResponse};
use duck::{App, Bytes, Request, Result, Settings, path};
use futures_util::stream;
use tokio::time::{Instant, sleep};

const MULTIPART: &str = "multipart/form-data; boundary=x";
const TEXT: &str = "text/plain";

async fn streamed(request: Request) -> Result<String> {
    let mut body = request.body_stream()?;
    let mut bytes = 0;
    while let Some(piece) = body.next().await? {
        bytes += piece.len();
    }
    Ok(bytes.to_string())
}

/// Reads as slowly as a busy disk writes.
async fn at_leisure(request: Request) -> Result<String> {
    let mut body = request.body_stream()?;
    while body.next().await?.is_some() {
        sleep(Duration::from_secs(20)).await;
    }
    Ok("at last".into())
}

async fn parts(request: Request) -> Result<String> {
    let mut parts = request.multipart()?;
    while let Some(part) = parts.next().await? {
        part.bytes().await?;
    }
    Ok("read".into())
}

async fn twice(request: Request) -> Result<String> {
    let first = request
        .multipart_form()
        .await
        .expect_err("a body that is too slow")
        .status();
    let second = request
        .bytes()
        .await
        .expect_err("a body that is too slow")
        .status();
    Ok(format!("{} {}", first.as_u16(), second.as_u16()))
}

async fn form(request: Request) -> Result<String> {
    let fields: Vec<(String, String)> = request.form_as().await?;
    Ok(fields.len().to_string())
}

async fn json(request: Request) -> Result<String> {
    Ok(request.json::<Vec<u8>>().await?.len().to_string())
}

async fn bytes(request: Request) -> Result<String> {
    Ok(request.bytes().await?.len().to_string())
}

async fn multipart_form(request: Request) -> Result<String> {
    request.multipart_form().await?;
    Ok("read".into())
}

/// Pieces, each after a pause of so many milliseconds.
fn pieces(pieces: Vec<(u64, Vec<u8>)>) -> Body {
    Body::stream(stream::unfold(pieces.into_iter(), async |mut pieces| {
        let (pause, piece) = pieces.next()?;
        sleep(Duration::from_millis(pause)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from(piece)), pieces))
    }))
}

/// Posts a body to a site that waits three seconds; gives the answer, and how long it took.
async fn post(url: &str, media_type: &str, body: Body, rate: u64) -> (TestResponse, Duration) {
    let settings = Settings::default()
        .with("BODY_TIMEOUT", 3)
        .with("BODY_MIN_RATE", rate);
    let site = TestClient::start(App::new(settings).urls([
        path("/streamed", streamed).methods([POST]),
        path("/at-leisure", at_leisure).methods([POST]),
        path("/parts", parts).methods([POST]),
        path("/twice", twice).methods([POST]),
        path("/form", form).methods([POST]),
        path("/json", json).methods([POST]),
        path("/bytes", bytes).methods([POST]),
        path("/multipart-form", multipart_form).methods([POST]),
    ]))
    .await;
    let start = Instant::now();
    let page = site.post(url).body(media_type, body).await;
    (page, start.elapsed())
}

fn drip(first: usize, bytes: usize, seconds: usize) -> Body {
    let start = (0, vec![b'x'; first]);
    let rest = (0..seconds).map(|_| (1000, vec![b'x'; bytes]));
    pieces(std::iter::once(start).chain(rest).collect())
}

#[tokio::test(start_paused = true)]
async fn a_streamed_body_that_drips_is_408() {
    for (first, bytes) in [(1, 1), (1, 500), (1_000_000, 1)] {
        let (page, took) = post("/streamed", TEXT, drip(first, bytes, 600), 1024).await;
        assert_eq!(page.status(), 408, "{first} {bytes}");
        assert!(took <= Duration::from_secs(7), "{first} {bytes}: {took:?}");
    }
    let head = b"--x\r\ncontent-disposition: form-data; name=a\r\n\r\n".to_vec();
    let drops = (0..600).map(|_| (1000, vec![b'x']));
    let upload = pieces(std::iter::once((0, head)).chain(drops).collect());
    let (page, took) = post("/parts", MULTIPART, upload, 1024).await;
    assert_eq!(page.status(), 408);
    assert!(took <= Duration::from_secs(4), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_streamed_body_at_the_least_rate_may_go_on_for_ever() {
    let (page, took) = post("/streamed", TEXT, drip(1, 1024, 600), 1024).await;
    assert_eq!((page.status().as_u16(), page.text()), (200, "614401"));
    assert!(took >= Duration::from_secs(600), "{took:?}");
    // Pieces may come together.
    let bursts = (0..60).map(|_| (2900, vec![b'x'; 3000])).collect();
    let (page, _) = post("/streamed", TEXT, pieces(bursts), 1024).await;
    assert_eq!(page.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn nothing_for_the_whole_time_is_408_whatever_came_before() {
    let pause = vec![(0, vec![b'x'; 1_000_000]), (3100, vec![b'x'; 1_000_000])];
    for rate in [0, 1024] {
        let (page, _) = post("/streamed", TEXT, pieces(pause.clone()), rate).await;
        assert_eq!(page.status(), 408, "{rate}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_least_rate_one_piece_in_the_time_is_enough() {
    let drops = (0..60).map(|_| (2900, vec![b'x'])).collect();
    let (page, _) = post("/streamed", TEXT, pieces(drops), 0).await;
    assert_eq!((page.status().as_u16(), page.text()), (200, "60"));
}

#[tokio::test(start_paused = true)]
async fn the_time_that_a_view_takes_does_not_count() {
    let (page, _) = post("/at-leisure", TEXT, pieces(vec![(0, vec![b'x']); 20]), 1024).await;
    assert_eq!(page.text(), "at last");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_read_whole_has_one_time_for_all_of_it() {
    let head = "--x\r\ncontent-disposition: form-data; name=a\r\n\r\n";
    for (url, media_type, start) in [
        ("/form", "application/x-www-form-urlencoded", "a="),
        ("/json", "application/json", "["),
        ("/bytes", TEXT, ""),
        ("/multipart-form", MULTIPART, head),
    ] {
        // Ten times as fast as the least rate.
        let rest = (0..100).map(|_| (100, vec![b' '; 1024]));
        let start = (0, start.as_bytes().to_vec());
        let body = pieces(std::iter::once(start).chain(rest).collect());
        let (page, took) = post(url, media_type, body, 1024).await;
        assert_eq!(page.status(), 408, "{url}");
        assert!(took <= Duration::from_millis(3100), "{url}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_took_too_long_is_refused_to_the_next_reader_too() {
    let (page, took) = post("/twice", MULTIPART, drip(1, 1024, 600), 1024).await;
    assert_eq!(page.text(), "408 408");
    assert!(took <= Duration::from_secs(4), "{took:?}");
}
