//! Bodies that fail while they are sent: the status has gone out, so only the log can tell.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use duck::Bytes;
use duck::http::{Body, RequestError, stream};
use duck::prelude::*;
use http_body_util::BodyExt;
use hyper::client::conn::http2::SendRequest;
use tokio::sync::Notify;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::http2::{connect, request};
use crate::log::Log;
use crate::wire::{Server, Shared, get};

/// The first half, and when that has been written an error or a panic.
fn halves(second: impl Fn() -> io::Result<Bytes> + Send + 'static) -> Response {
    let pieces = futures_util::stream::unfold((0, second), async |(count, second)| {
        if count == 0 {
            return Some((Ok(Bytes::from("half")), (1, second)));
        }
        tokio::task::yield_now().await;
        Some((second(), (2, second)))
    });
    stream("text/plain", pieces)
}

fn views() -> Vec<UrlPattern> {
    vec![
        path("/fails", async |_request: Request| {
            halves(|| Err(io::Error::other("the disk is on fire")))
        }),
        path("/panics", async |_request: Request| {
            halves(|| panic!("as it has to"))
        }),
        path("/echo", async |request: Request| {
            let body = request.body_stream()?;
            let pieces = futures_util::stream::try_unfold(body, async |mut body| {
                Ok::<_, RequestError>(body.next().await?.map(|piece| (piece, body)))
            });
            Ok::<_, Error>(stream("text/plain", pieces))
        })
        .methods([POST]),
        path("/", async |_request: Request| "home"),
    ]
}

fn is_told_once(log: &Log, path: &str, cause: &str) {
    let lines = log.take();
    assert!(
        matches!(&lines[..], [line] if line.starts_with("ERROR") && line.contains("broke off")
            && line.contains(&format!("path=\"{path}\"")) && line.contains(cause)),
        "{path}: {lines:?}"
    );
}

/// Whether the response is an error to its client, perhaps before its head was sent.
pub(crate) async fn breaks_off(client: &SendRequest<Body>, path: &str) -> bool {
    let response = client.clone().send_request(request("GET", path, "")).await;
    match response {
        Ok(response) => response.into_body().collect().await.is_err(),
        Err(_) => true,
    }
}

const FAILING: [(&str, &str); 2] = [
    ("/fails", "the disk is on fire"),
    ("/panics", "as it has to"),
];

#[tokio::test]
async fn a_stream_that_fails_or_panics_is_told_to_the_log() {
    let (log, _guard) = Log::listen();
    let server = Server::with(views()).await;
    for (path, cause) in FAILING {
        for version in ["1.0", "1.1"] {
            let mut wire = server.connect().await;
            wire.send(format!("GET {path} HTTP/{version}\r\nHost: test\r\n\r\n"))
                .await;
            assert_eq!(wire.head().await.0, 200);
            let body = wire.rest().await;
            assert!(
                body.contains("half") && !body.ends_with("0\r\n\r\n"),
                "{body}"
            );
            is_told_once(&log, path, cause);
        }
        let client = connect(&server).await;
        assert!(breaks_off(&client, path).await);
        is_told_once(&log, path, cause);
    }
    assert_eq!(server.get("/").await.body, "home");
}

#[tokio::test]
async fn behind_a_tower_layer_it_is_told_once_too() {
    let (log, _guard) = Log::listen();
    let layer = SetResponseHeaderLayer::overriding(
        http::header::SERVER,
        http::HeaderValue::from_static("duck"),
    );
    let app = App::new(Settings::default()).urls(views()).layer(layer);
    let server = Server::of(app, Shared::default()).await;
    for (path, cause) in FAILING {
        let mut wire = server.connect().await;
        wire.send(get(path)).await;
        assert!(wire.rest().await.contains("half"));
        is_told_once(&log, path, cause);
    }
}

#[tokio::test]
async fn a_file_that_is_cut_short_while_it_is_sent_is_told_to_the_log() {
    let (log, _guard) = Log::listen();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("film");
    let settings = Settings::default();
    let media = duck::files::static_folder("/media/", folder.path());
    let server = Server::of(App::new(settings).urls([media]), Shared::default()).await;
    let mut wire = server.connect().await;
    std::fs::write(&file, vec![b'x'; 50_000_000]).expect("a file");
    wire.send(get("/media/film")).await;
    assert_eq!(wire.head().await.0, 200);
    let cut = std::fs::File::options()
        .write(true)
        .open(&file)
        .expect("the file");
    cut.set_len(1).expect("a shorter file");
    assert!(wire.rest().await.len() < 50_000_000);
    is_told_once(
        &log,
        "/media/film",
        "the file became shorter while it was sent",
    );
}

#[tokio::test]
async fn a_client_that_goes_away_is_no_error() {
    let (log, _guard) = Log::listen();
    let dropped = Arc::new(Notify::new());
    let endless = path("/endless", {
        let dropped = dropped.clone();
        move |_request: Request| {
            let told = Told(dropped.clone());
            let pieces = futures_util::stream::repeat_with(move || {
                let _told = &told;
                Ok::<_, io::Error>(Bytes::from(vec![b'x'; 65_536]))
            });
            std::future::ready(stream("text/plain", pieces))
        }
    });
    let server = Server::with(views().into_iter().chain([endless])).await;
    for version in ["1.0", "1.1"] {
        let mut wire = server.connect().await;
        wire.send(format!("GET /endless HTTP/{version}\r\nHost: test\r\n\r\n"))
            .await;
        assert_eq!(wire.head().await.0, 200);
        drop(wire);
        dropped.notified().await;
    }
    let client = connect(&server).await;
    let response = client
        .clone()
        .send_request(request("GET", "/endless", ""))
        .await
        .expect("a head");
    drop(response);
    dropped.notified().await;

    // Its half of an upload is all of an answer that is made of it.
    let mut wire = server.connect().await;
    wire.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 50\r\n\r\nhalf")
        .await;
    assert_eq!(wire.head().await.0, 200);
    wire.close_its_side().await;
    assert!(!wire.rest().await.ends_with("0\r\n\r\n"));
    tokio::time::timeout(Duration::from_secs(15), server.stopped())
        .await
        .expect("the end");
    assert!(log.take().is_empty());
}

/// Tells when it is dropped.
struct Told(Arc<Notify>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}
