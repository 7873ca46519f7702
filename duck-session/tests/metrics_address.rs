//! What happens to sessions is counted at `METRICS_ADDRESS`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener as StdListener;

use duck::metrics::Metrics;
use duck::{App, Request, Result, Settings, path};
use duck_session::SessionMiddleware;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn visit(request: Request) -> Result<&'static str> {
    request.session.set("a", 1).await?;
    Ok("")
}

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn counts_of_sessions_stand_beside_those_of_requests() {
    let free = StdListener::bind("127.0.0.1:0").unwrap();
    let metrics = free.local_addr().unwrap();
    drop(free);
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::default()
        .with("METRICS_ADDRESS", metrics.to_string())
        .with(
            "SECRET_KEY",
            "a key for tests of more than thirty-two bytes",
        )
        .with(
            "SESSION_DIR",
            folder.path().join("sessions").to_str().unwrap(),
        );
    let app = App::new(settings)
        .with(Metrics::new())
        .with(SessionMiddleware::new())
        .urls([path("/visit", visit)]);
    let site = app.start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(duck::server::serve(listener, site, std::future::pending()));
    for _ in 0..3 {
        assert!(get(address, "/visit").await.starts_with("HTTP/1.1 200 "));
    }
    let text = get(metrics, "/metrics").await;
    for line in [
        "duck_requests_total{method=\"GET\",route=\"/visit\",status=\"200\"} 3",
        "duck_session_created_total 3",
        "duck_session_store_seconds_bucket{le=\"+Inf\"}",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    server.abort();
}
