//! `/-/live` and `/-/ready`, as load balancers ask for them.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use duck::prelude::*;
use duck::{Health, Setup};
use tokio::time::{Instant, sleep};

use crate::http2;
use crate::log::Log;
use crate::wire::{Server, Shared, get};

fn app(settings: &str) -> App {
    App::new(Settings::from_toml(settings).expect("settings")).with(Health::new())
}

async fn server(app: App) -> Server {
    Server::of(app, Shared::default()).await
}

/// A check, and how often it was run.
fn counted(app: App, name: &'static str, is_well: Arc<AtomicBool>) -> (App, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counting = count.clone();
    let app = app.with(async move |setup: &mut Setup<'_>| {
        setup.ready_check(name, move || {
            counting.fetch_add(1, SeqCst);
            let is_well = is_well.load(SeqCst);
            async move {
                if is_well {
                    return Ok(());
                }
                Err(Error::internal("postgres://user:hush@10.0.0.9 is down"))
            }
        });
        Ok(())
    });
    (app, count)
}

/// The status and body of an answer to a `GET` that names this host.
async fn ask(server: &Server, path: &str, host: &str) -> (u16, String) {
    let mut wire = server.connect().await;
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
        .await;
    let answer = wire.answer().await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn both_are_plain_and_never_kept() {
    let server = server(app("")).await;
    for path in ["/-/live", "/-/ready"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let mut wire = server.connect().await;
    wire.send("HEAD /-/ready HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(wire.head().await.0, 200);
    assert_eq!(server.get("/-/other").await.status, 404);
    assert_eq!(server.get("/-/").await.status, 404);
    server.stopped().await;
}

#[tokio::test]
async fn a_site_without_the_component_has_neither() {
    let server = Server::start("ALLOWED_HOSTS = ['duck.example']").await;
    assert_eq!(ask(&server, "/-/live", "duck.example").await.0, 404);
    assert_eq!(ask(&server, "/-/live", "127.0.0.1").await.0, 400);
    server.stopped().await;
}

#[tokio::test]
async fn machines_ask_by_address_and_nobody_else_by_a_foreign_host() {
    let passed = Arc::new(AtomicUsize::new(0));
    let counting = passed.clone();
    let count = process_request(move |request: Request| {
        counting.fetch_add(1, SeqCst);
        std::future::ready(Ok(request))
    });
    let app = app("ALLOWED_HOSTS = ['duck.example']")
        .middleware(count)
        .urls([path("/", async |_: Request| "home")])
        .urls([path("/-/own", async |_: Request| "own")]);
    let server = server(app).await;
    for path in ["/-/live", "/-/ready"] {
        for host in [
            "duck.example",
            "10.0.0.7",
            "10.0.0.7:8000",
            "[::1]:80",
            "localhost:8000",
        ] {
            assert_eq!(ask(&server, path, host).await.0, 200, "{path} {host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.7.evil.example",
            "a@10.0.0.7",
            "10.0.0.7, duck.example",
            "10.0.0.7/",
            "",
        ] {
            let (status, body) = ask(&server, path, host).await;
            assert_eq!(status, 400, "{path} {host}");
            assert!(!body.contains("ok"), "{path} {host}: {body}");
        }
    }
    // What is not for machines stays refused, whatever the path looks like.
    for path in [
        "/",
        "/-/own",
        "/-/live/..",
        "/-/live/",
        "/-//live",
        "//-/live",
        "/%2d/live",
        "/-/nothing",
    ] {
        assert_eq!(ask(&server, path, "10.0.0.7").await.0, 400, "{path}");
    }
    let mut wire = server.connect().await;
    wire.send("POST /-/live HTTP/1.1\r\nHost: 10.0.0.7\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(wire.answer().await.status, 400);
    let mut wire = server.connect().await;
    wire.send("GET /-/live HTTP/1.0\r\n\r\n").await;
    assert_eq!(wire.answer().await.status, 200, "no host at all");
    let client = http2::connect(&server).await;
    for (host, status) in [("10.0.0.7", 200), ("evil.example", 400)] {
        let client = if status == 200 {
            &client
        } else {
            &http2::connect(&server).await
        };
        let mut request = http2::request("GET", "/-/ready", "");
        *request.uri_mut() = format!("http://{host}/-/ready").parse().expect("a URI");
        assert_eq!(http2::ask(client, request).await.0, status, "{host}");
    }
    assert_eq!(
        passed.load(SeqCst),
        0,
        "they stand outside of the middleware"
    );
    server.stopped().await;
}

#[cfg(feature = "tower")]
#[tokio::test]
async fn tower_layers_stand_around_pages_and_not_around_them() {
    use tower_http::set_header::SetResponseHeaderLayer;
    let layer = SetResponseHeaderLayer::overriding(
        duck::http::HeaderName::from_static("x-layer"),
        duck::http::HeaderValue::from_static("here"),
    );
    let app = app("")
        .layer(layer)
        .urls([path("/", async |_: Request| "home")]);
    let server = server(app).await;
    assert_eq!(server.get("/").await.header("x-layer"), Some("here"));
    let answer = server.get("/-/live").await;
    assert_eq!((answer.status, answer.header("x-layer")), (200, None));
    // As a page does: over HTTP/1.1 `HEAD` has the length of the body and none of it.
    let mut wire = server.connect().await;
    wire.send("HEAD /-/live HTTP/1.1\r\nHost: a\r\n\r\n").await;
    wire.send(get("/-/live")).await;
    assert!(wire.head().await.1.contains("content-length: 3"));
    assert_eq!(wire.answer().await.body, "ok\n");
    server.stopped().await;
}

#[tokio::test]
async fn a_check_that_fails_is_a_503_that_tells_a_stranger_nothing() {
    let (log, _guard) = Log::listen();
    let is_well = Arc::new(AtomicBool::new(false));
    for (debug, body) in [
        (false, "not ready\n"),
        (
            true,
            "{\"failed\":[\"database\"],\"ready\":false,\"stopping\":false}",
        ),
    ] {
        let (app, _) = counted(
            app(&format!("DEBUG = {debug}")),
            "database",
            is_well.clone(),
        );
        let server = server(app).await;
        let answer = ask(&server, "/-/ready", "localhost").await;
        assert_eq!(answer, (503, body.to_owned()));
        assert_eq!(ask(&server, "/-/live", "localhost").await.0, 200);
        server.stopped().await;
        let lines = log.take();
        assert!(
            lines.len() == 1
                && lines[0].contains("check=\"database\"")
                && lines[0].contains("10.0.0.9 is down"),
            "the log has the cause, once: {lines:?}"
        );
        assert!(lines[0].contains("health.rs:"), "and the line: {lines:?}");
    }
}

#[tokio::test]
async fn a_thousand_questions_in_a_second_run_each_check_once() {
    let is_well = Arc::new(AtomicBool::new(true));
    let (app, count) = counted(app(""), "database", is_well.clone());
    let server = server(app).await;
    let mut wire = server.connect().await;
    let start = Instant::now();
    for _ in 0..1000 {
        wire.send(get("/-/ready")).await;
        assert_eq!(wire.answer().await.status, 200);
    }
    let most = 1 + usize::try_from(start.elapsed().as_secs()).expect("a few");
    assert!(
        (1..=most).contains(&count.load(SeqCst)),
        "{count:?}, not {most}"
    );

    is_well.store(false, SeqCst);
    sleep(Duration::from_millis(1100)).await;
    wire.send(get("/-/ready")).await;
    assert_eq!(wire.answer().await.status, 503, "after a second it is seen");
    is_well.store(true, SeqCst);
    sleep(Duration::from_millis(1100)).await;
    wire.send(get("/-/ready")).await;
    assert_eq!(
        wire.answer().await.status,
        200,
        "and so is that it is well again"
    );
    server.stopped().await;
}

#[tokio::test]
async fn clients_that_ask_and_leave_do_not_run_checks_of_their_own() {
    let running = Arc::new(AtomicUsize::new(0));
    let counting = running.clone();
    let app = app("").with(async move |setup: &mut Setup<'_>| {
        setup.ready_check("hung", move || {
            counting.fetch_add(1, SeqCst);
            pending()
        });
        Ok(())
    });
    let server = server(app).await;
    for _ in 0..50 {
        let mut wire = server.connect().await;
        wire.send(get("/-/ready")).await;
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(running.load(SeqCst), 1);
    server.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_check_that_hangs_or_panics_is_a_503_within_the_deadline_and_so_is_one_that_blocks_later()
{
    for how in ["hangs", "blocks", "panics"] {
        let app = app("").with(async move |setup: &mut Setup<'_>| {
            setup.ready_check("well", async || Ok(()));
            setup.ready_check(how, move || {
                assert!(how != "panics", "as it has to");
                async move {
                    if how == "blocks" {
                        std::thread::sleep(Duration::from_secs(4));
                        return Ok(());
                    }
                    pending().await
                }
            });
            Ok(())
        });
        let server = server(app).await;
        let start = Instant::now();
        let answer = ask(&server, "/-/ready", "localhost").await;
        assert_eq!(answer, (503, "not ready\n".to_owned()), "{how}");
        let took = start.elapsed();
        let most = if how == "blocks" { 6000 } else { 2900 };
        assert!(took < Duration::from_millis(most), "{how}: {took:?}");
        server.stopped().await;
    }
}

#[tokio::test]
async fn a_site_that_was_asked_to_stop_says_so_at_once_and_serves_on_for_the_delay() {
    let (app, count) = counted(
        app("SHUTDOWN_DELAY = 1"),
        "database",
        Arc::new(AtomicBool::new(true)),
    );
    let app = app.urls([path("/", async |_: Request| "home")]);
    let mut server = server(app).await;
    assert_eq!(server.get("/-/ready").await.status, 200);
    let start = Instant::now();
    server.begin_to_stop();
    sleep(Duration::from_millis(50)).await;
    assert_eq!(server.get("/-/ready").await.status, 503);
    assert_eq!(server.get("/-/live").await.status, 200);
    assert_eq!(server.get("/").await.body, "home", "pages go on");
    assert!(start.elapsed() < Duration::from_millis(900));
    assert_eq!(count.load(SeqCst), 1);
    server.stopped().await;
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn without_a_delay_a_connection_that_was_just_made_still_hears_503() {
    let mut server = server(app("")).await;
    let mut wire = server.connect().await;
    assert_eq!(server.get("/-/ready").await.status, 200);
    server.begin_to_stop();
    sleep(Duration::from_millis(50)).await;
    wire.send(get("/-/ready")).await;
    assert_eq!(wire.answer().await.status, 503);
    server.stopped().await;
}
