//! `METRICS_ADDRESS`, as Prometheus asks for it. The counts are the process's, so each test has routes of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::pending;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use duck::Setup;
use duck::metrics::Metrics;
use duck::prelude::*;
use duck::testing::TestClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

#[path = "running/mod.rs"]
mod running;

use self::running::Running;

struct Server {
    site: SocketAddr,
    metrics: SocketAddr,
    running: Running,
}

fn free_address() -> SocketAddr {
    let socket = StdListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap()
}

impl Server {
    async fn start(urls: impl IntoIterator<Item = UrlPattern>) -> Self {
        Self::of(
            App::new(Settings::default())
                .with(Metrics::new())
                .urls(urls),
        )
        .await
    }

    async fn of(app: App) -> Self {
        let metrics = free_address();
        let app = app.setting("METRICS_ADDRESS", metrics.to_string());
        let site = app.start().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self {
            site: address,
            metrics,
            running: Running::start(listener, site),
        }
    }

    async fn get(&self, path: &str) -> String {
        exchange(self.site, &request("GET", path, "a")).await
    }

    async fn metrics(&self) -> String {
        let text = exchange(self.metrics, &request("GET", "/metrics", "127.0.0.1")).await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        text
    }

    async fn stop(self) {
        self.running.stopped().await;
    }
}

fn request(method: &str, path: &str, host: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

/// All that comes back until the connection ends.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    // A server that refuses may reset.
    let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut text))
        .await
        .unwrap();
    String::from_utf8(text).unwrap()
}

/// The value of a series, by its whole name.
fn value(metrics: &str, series: &str) -> Option<f64> {
    let rest = metrics.lines().find_map(|line| line.strip_prefix(series))?;
    rest.strip_prefix(' ')?.parse().ok()
}

#[tokio::test]
async fn requests_are_counted_by_pattern_method_and_status_and_never_by_path() {
    let server = Server::start([
        path("/by-pattern/<id>", async |_: Request, id: u32| {
            format!("note {id}")
        }),
        path("/by-pattern/<id>", async |_: Request, _: u32| {
            (StatusCode::CREATED, "")
        })
        .methods([POST]),
        path(
            "/by-pattern-fails",
            async |_: Request| -> Result<&'static str> { Err(Error::internal("as it has to")) },
        ),
    ])
    .await;
    for id in 0..50 {
        server
            .get(&format!("/by-pattern/{id}?token=secret-{id}"))
            .await;
    }
    let post =
        "POST /by-pattern/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    exchange(server.site, post).await;
    exchange(server.site, &request("HEAD", "/by-pattern/7", "a")).await;
    server.get("/by-pattern/seven").await;
    server.get("/by-pattern-fails").await;
    let metrics = server.metrics().await;
    for (series, expected) in [
        (
            "duck_requests_total{method=\"GET\",route=\"/by-pattern/<id>\",status=\"200\"}",
            50.0,
        ),
        (
            "duck_requests_total{method=\"POST\",route=\"/by-pattern/<id>\",status=\"201\"}",
            1.0,
        ),
        (
            "duck_requests_total{method=\"HEAD\",route=\"/by-pattern/<id>\",status=\"200\"}",
            1.0,
        ),
        (
            "duck_requests_total{method=\"GET\",route=\"/by-pattern/<id>\",status=\"404\"}",
            1.0,
        ),
        (
            "duck_requests_total{method=\"GET\",route=\"/by-pattern-fails\",status=\"500\"}",
            1.0,
        ),
        (
            "duck_request_seconds_count{method=\"GET\",route=\"/by-pattern/<id>\"}",
            51.0,
        ),
        (
            "duck_request_seconds_bucket{method=\"GET\",route=\"/by-pattern/<id>\",le=\"+Inf\"}",
            51.0,
        ),
    ] {
        assert_eq!(
            value(&metrics, series),
            Some(expected),
            "{series}\n{metrics}"
        );
    }
    assert!(
        !metrics.contains("secret") && !metrics.contains("/by-pattern/7"),
        "{metrics}"
    );
    assert!(
        metrics.contains("content-type: text/plain; version=0.0.4"),
        "{metrics}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_visitor_cannot_make_up_series_or_lines() {
    let server = Server::start([
        path("/series/<path:rest>", async |_: Request, rest: String| rest).any_method(),
        duck::routing::re_path(r#"/odd(%22|")x+"#, async |_: Request| "odd"),
    ])
    .await;
    server.get("/series/warm").await;
    server.get("/nowhere").await;
    server.get("/odd%22xx").await;
    exchange(server.site, &request("FROB0", "/series/warm", "a")).await;
    exchange(server.site, &request("FROB0", "/nowhere", "a")).await;
    let series = |metrics: &str| {
        let lines = metrics
            .lines()
            .filter(|line| line.starts_with("duck_request"));
        lines
            .map(|line| line.rsplit_once(' ').unwrap().0.to_owned())
            .filter(|line| {
                line.contains("/series") || line.contains("none") || line.contains("odd")
            })
            .collect::<std::collections::BTreeSet<_>>()
    };
    let before = series(&server.metrics().await);
    for odd in [
        "%22",
        "%0a",
        "%0d%0aduck_requests_total%207",
        "\"}",
        "%5C",
        "{status=%22",
        "%00",
        "caf%C3%A9",
    ] {
        for start in ["/series/", "/nowhere/"] {
            server.get(&format!("{start}{odd}")).await;
        }
    }
    for number in 1..40 {
        exchange(
            server.site,
            &request(&format!("FROB{number}"), "/series/x", "a"),
        )
        .await;
        exchange(
            server.site,
            &request(&format!("FROB{number}"), "/nowhere", "a"),
        )
        .await;
    }
    let metrics = server.metrics().await;
    let after = series(&metrics);
    let new: Vec<_> = after.difference(&before).collect();
    assert!(
        new.iter().all(|line| line.contains("status=\"400\"")) && new.len() <= 2,
        "{new:#?}"
    );
    assert!(
        metrics.contains("method=\"other\",route=\"/series/<path:rest>\""),
        "{metrics}"
    );
    // A pattern is the program's, and written out so that its line stays one.
    let odd = metrics
        .lines()
        .find(|line| line.starts_with("duck_requests_total") && line.contains("/odd"));
    assert!(
        odd.unwrap().contains(r#"route="/odd(%22|\")x+""#),
        "{odd:?}"
    );
    server.stop().await;
}

#[tokio::test]
async fn connections_bytes_and_requests_under_way_are_there() {
    let server = Server::start([
        path("/traffic", async |_: Request| "x".repeat(100_000)),
        path("/traffic-hangs", async |_: Request| -> &'static str {
            pending().await
        }),
    ])
    .await;
    let before = server.metrics().await;
    server.get("/traffic").await;
    let mut hanging = TcpStream::connect(server.site).await.unwrap();
    hanging
        .write_all(request("GET", "/traffic-hangs", "a").as_bytes())
        .await
        .unwrap();
    sleep(Duration::from_millis(200)).await;
    let during = server.metrics().await;
    let grew =
        |name: &str| value(&during, name).unwrap_or(0.0) - value(&before, name).unwrap_or(0.0);
    assert!(grew("duck_sent_bytes_total") > 100_000.0, "{during}");
    assert!(grew("duck_received_bytes_total") > 50.0, "{during}");
    assert!(value(&during, "duck_connections") >= Some(1.0), "{during}");
    assert!(
        value(&during, "duck_requests_in_flight") >= Some(1.0),
        "{during}"
    );
    if cfg!(target_os = "linux") {
        for name in ["process_resident_memory_bytes", "process_open_fds"] {
            assert!(value(&during, name) > Some(0.0), "{name}\n{during}");
        }
    }
    // A reset says that the client is gone; the mere end of what it sends does not.
    hanging.set_zero_linger().unwrap();
    drop(hanging);
    let left = "duck_requests_total{method=\"GET\",route=\"/traffic-hangs\",status=\"499\"}";
    let start = Instant::now();
    while value(&server.metrics().await, left) != Some(1.0) {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{}",
            server.metrics().await
        );
        sleep(Duration::from_millis(50)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn what_the_site_counts_itself_is_there() {
    let server = Server::start([path("/own-count", async |_: Request| {
        ::metrics::counter!("shop_orders_total").increment(2);
        ""
    })])
    .await;
    server.get("/own-count").await;
    assert_eq!(
        value(&server.metrics().await, "shop_orders_total"),
        Some(2.0)
    );
    server.stop().await;
}

#[tokio::test]
async fn the_address_names_the_checks_that_fail_and_refuses_pages_of_other_sites() {
    let app =
        App::new(Settings::default())
            .with(Metrics::new())
            .with(async |setup: &mut Setup<'_>| {
                setup.ready_check("search", async || Err(Error::internal("the index is gone")));
                Ok(())
            });
    let server = Server::of(app).await;
    let ready = exchange(server.metrics, &request("GET", "/-/ready", "localhost:1")).await;
    assert!(
        ready.starts_with("HTTP/1.1 503 ") && ready.contains("\"failed\":[\"search\"]"),
        "{ready}"
    );
    assert!(!ready.contains("index"), "{ready}");
    let live = exchange(server.metrics, &request("GET", "/-/live", "[::1]")).await;
    assert!(live.starts_with("HTTP/1.1 200 "), "{live}");
    for (method, path, host, status) in [
        ("GET", "/metrics", "evil.example", 400),
        ("GET", "/metrics", "127.0.0.1.evil.example", 400),
        ("POST", "/metrics", "127.0.0.1", 405),
        ("GET", "/", "127.0.0.1", 404),
        ("GET", "/metrics/..", "127.0.0.1", 404),
    ] {
        let answer = exchange(server.metrics, &request(method, path, host)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{method} {path} {host}: {answer}"
        );
        assert!(!answer.contains("duck_"), "{answer}");
    }
    // And the site itself has none of it.
    assert!(server.get("/metrics").await.starts_with("HTTP/1.1 404 "));
    server.stop().await;
}

#[tokio::test]
async fn clients_that_say_nothing_or_never_read_are_closed_and_others_are_answered() {
    let server = Server::start([path("/slow-metrics", async |_: Request| "")]).await;
    let mut held = Vec::new();
    for number in 0..16 {
        let mut stream = TcpStream::connect(server.metrics).await.unwrap();
        if number % 2 == 0 {
            stream
                .write_all(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                .await
                .unwrap();
        } else {
            stream.write_all(b"GET /metr").await.unwrap();
        }
        held.push(stream);
    }
    let start = Instant::now();
    server.metrics().await;
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
    sleep(Duration::from_secs(11).saturating_sub(start.elapsed())).await;
    for mut stream in held {
        let mut rest = Vec::new();
        let ends = timeout(Duration::from_secs(1), stream.read_to_end(&mut rest)).await;
        assert!(ends.is_ok(), "it is closed");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let server = Server::start([]).await;
    let mut stream = TcpStream::connect(server.metrics).await.unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\n")
        .await
        .unwrap();
    let line = format!("x: {}\r\n", "y".repeat(1000));
    let mut sent = 0;
    while sent < 10_000_000 && stream.write_all(line.as_bytes()).await.is_ok() {
        sent += line.len();
    }
    assert!(sent < 10_000_000, "it took {sent} bytes");
    server.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_tried_again_and_keeps_no_site_from_serving() {
    let taken = StdListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let app = App::new(Settings::default())
        .setting("METRICS_ADDRESS", address.to_string())
        .with(Metrics::new())
        .urls([path("/taken", async |_: Request| "here")]);
    let site = app.start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap();
    let mut running = Running::start(listener, site);
    assert!(
        exchange(own, &request("GET", "/taken", "a"))
            .await
            .ends_with("here")
    );
    drop(taken);
    let start = Instant::now();
    while TcpStream::connect(address).await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(100)).await;
    }
    let metrics = exchange(address, &request("GET", "/metrics", "127.0.0.1")).await;
    assert!(metrics.contains("route=\"/taken\""), "{metrics}");
    running.begin_to_stop();
    running.stopped().await;
}

#[tokio::test]
async fn a_wrong_address_keeps_the_site_from_starting_and_none_costs_nothing() {
    for (address, says) in [
        (
            "9100",
            "METRICS_ADDRESS: takes a host and a port, such as \"127.0.0.1:9100\"",
        ),
        ("http://127.0.0.1:9100", "takes a host and a port"),
        (
            "192.0.2.1:9100",
            "METRICS_ADDRESS: cannot listen on \"192.0.2.1:9100\"",
        ),
    ] {
        let settings = Settings::from_toml(&format!("METRICS_ADDRESS = '{address}'")).unwrap();
        let error = App::new(settings)
            .with(Metrics::new())
            .start()
            .await
            .unwrap_err();
        assert!(error.to_string().contains(says), "{address}: {error}");
    }
    let app = App::new(Settings::default())
        .with(Metrics::new())
        .urls([path("/uncounted", async |_: Request| "")]);
    TestClient::start(app).await.get("/uncounted").await;
    let server = Server::start([]).await;
    assert!(!server.metrics().await.contains("uncounted"));
    server.stop().await;
}
