//! Unix sockets, which have no addresses.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::time::{Instant, timeout};

use crate::client::{get, read_until};
use crate::curl::run;
use crate::nginx::Nginx;
use crate::server::Served;

const PROMPTLY: Duration = Duration::from_secs(10);

async fn start(settings: &str) -> (Served, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = UnixListener::bind(folder.path().join("socket")).expect("a socket");
    (Served::start(listener, settings).await, folder)
}

async fn connect(folder: &TempDir) -> UnixStream {
    UnixStream::connect(folder.path().join("socket"))
        .await
        .expect("it listens")
}

#[tokio::test]
async fn curl_reads_pages_over_a_unix_socket() {
    let forged = [
        "--header",
        "X-Forwarded-For: 1.2.3.4, 203.0.113.9",
        "--header",
        "X-Forwarded-Proto: https, https",
    ];
    for (settings, expected) in [
        ("", "nobody secure=false"),
        (
            "TRUSTED_PROXIES = ['127.0.0.1', '::/0']",
            "nobody secure=false",
        ),
        ("TRUSTED_PROXIES = ['unix']", "203.0.113.9 secure=true"),
    ] {
        let (_running, folder) = start(settings).await;
        let socket = folder.path().join("socket");
        for http in ["--http1.1", "--http2-prior-knowledge"] {
            let socket = socket.to_str().unwrap();
            let own = [
                "--silent",
                "--show-error",
                http,
                "--unix-socket",
                socket,
                "http://a/who",
            ];
            if let Some((out, err)) = run("curl", &[&own[..], &forged].concat(), Vec::new()).await {
                assert_eq!((out.as_str(), err.as_str()), (expected, ""), "{settings}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_has_closed_its_side_is_answered() {
    let (running, folder) = start("").await;
    let mut stream = connect(&folder).await;
    stream.write_all(get("/wait").as_bytes()).await.unwrap();
    running.shared.begun.notified().await;
    stream.shutdown().await.unwrap();
    running.shared.go.notify_one();
    read_until(&mut stream, "at last").await;
}

/// Unlike that of TCP, the other end of a Unix socket shows whether it is closed for reading too only when
/// something is written.
#[tokio::test]
async fn a_client_that_is_gone_ends_its_view_in_time() {
    let (running, folder) = start("WRITE_TIMEOUT = 1\nSHUTDOWN_TIMEOUT = 60").await;
    let mut stream = connect(&folder).await;
    stream.write_all(get("/wait").as_bytes()).await.unwrap();
    running.shared.begun.notified().await;
    let start = Instant::now();
    drop(stream);
    timeout(PROMPTLY, running.stopped())
        .await
        .expect("the view ends");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn new_connections_of_this_machine_are_not_counted_by_address() {
    let (_running, folder) = start("MAX_NEW_CONNECTIONS_PER_ADDRESS = 1").await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(connect(&folder).await);
    }
    for stream in &mut streams {
        stream.write_all(get("/").as_bytes()).await.unwrap();
        read_until(stream, "home").await;
    }
}

/// The guide's lines for nginx, with this socket in place of the one there.
fn location(socket: &Path) -> String {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/https.md");
    let guide = std::fs::read_to_string(guide).expect("the guide");
    let block = guide.split("```nginx\n").nth(1).expect("a block");
    let block = block.split("```").next().expect("its end");
    let there = "/run/mysite/http.sock";
    assert!(block.contains(there), "{block}");
    block.replace(there, socket.to_str().expect("a name"))
}

#[tokio::test]
async fn behind_nginx_as_the_guide_has_it_visitors_are_who_they_are() {
    let (_running, folder) = start("TRUSTED_PROXIES = ['unix']").await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let location = location(&folder.path().join("socket"));
    let server = format!("server {{ listen {address}; {location} }}");
    let is_up = async |_: &Path| TcpStream::connect(address).await.is_ok();
    let Some(_nginx) = Nginx::start(|_| server, is_up).await else {
        return;
    };
    for _ in 0..3 {
        let mut stream = TcpStream::connect(address).await.expect("nginx");
        let forged = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https";
        let request = format!("GET /who HTTP/1.1\r\nHost: test\r\n{forged}\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it reads");
        read_until(&mut stream, "127.0.0.1 secure=false").await;
    }
}
