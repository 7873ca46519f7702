//! Behind a real nginx: whatever the site answers arrives, and never nginx's own 502.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use crate::wire::Server;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running nginx, with a socket for each way of passing a request's body on.
struct Nginx {
    process: Child,
    folder: tempfile::TempDir,
}

impl Nginx {
    /// In front of this server; `None` where there is no nginx.
    async fn start(server: &Server) -> Option<Self> {
        let Some(program) = program() else {
            assert_ne!(
                std::env::var("CI").as_deref(),
                Ok("true"),
                "CI has to have nginx"
            );
            eprintln!("SKIPPED: there is no nginx on this machine");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let configuration = folder.path().join("nginx.conf");
        std::fs::write(&configuration, configure(folder.path(), server)).expect("a file");
        let process = Command::new(program)
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .arg("-c")
            .arg(configuration)
            .spawn()
            .expect("nginx starts");
        let nginx = Self { process, folder };
        let start = Instant::now();
        while UnixStream::connect(nginx.socket("off")).await.is_err() {
            assert!(start.elapsed() < PATIENCE, "nginx says: {}", nginx.errors());
            sleep(Duration::from_millis(10)).await;
        }
        Some(nginx)
    }

    fn socket(&self, buffering: &str) -> PathBuf {
        self.folder.path().join(buffering)
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}

fn program() -> Option<&'static str> {
    let places = [
        "/usr/sbin/nginx",
        "/usr/local/sbin/nginx",
        "/usr/bin/nginx",
        "/usr/local/bin/nginx",
    ];
    places.into_iter().find(|place| Path::new(place).exists())
}

/// One process that stays in the foreground, keeps its files in this folder, and its connections to the
/// site for later requests.
fn configure(folder: &Path, server: &Server) -> String {
    let (folder, address) = (folder.display(), server.address);
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/{name};"))
        .concat();
    let sites = ["on", "off"]
        .map(|buffering| {
            format!(
                "server {{ listen unix:{folder}/{buffering}; location / {{
                    proxy_pass http://site; proxy_http_version 1.1; proxy_set_header Connection \"\";
                    proxy_set_header Host test; proxy_request_buffering {buffering}; }} }}"
            )
        })
        .concat();
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log info;
         events {{ worker_connections 500; }}
         http {{ access_log off; client_max_body_size 0; {temporary}
                 upstream site {{ server {address}; keepalive 4; }} {sites} }}"
    )
}

/// Posts so many bytes, and reads at the same time. What the answer's status is.
async fn post(socket: PathBuf, path: &str, size: usize) -> u16 {
    let stream = UnixStream::connect(socket).await.expect("nginx");
    let (mut read, mut write) = stream.into_split();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
    );
    let send = async move {
        let piece = vec![b'x'; 100_000];
        // nginx may have had enough before all of it is sent.
        let mut sent = write.write_all(head.as_bytes()).await;
        for _ in 0..size / piece.len() {
            if sent.is_ok() {
                sent = write.write_all(&piece).await;
            }
        }
        write
    };
    let receive = async move {
        let mut answer = Vec::new();
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            assert!(
                read.read_buf(&mut answer).await.expect("an answer") > 0,
                "no answer"
            );
        }
        String::from_utf8_lossy(&answer).into_owned()
    };
    let both = timeout(PATIENCE, async { tokio::join!(send, receive) });
    let (_write, answer) = both.await.expect("an answer in time");
    let status = answer.split(' ').nth(1).expect("a status");
    status.parse().expect("a number")
}

#[tokio::test]
async fn no_upload_that_the_site_does_not_read_becomes_502() {
    let server = Server::start("MAX_BODY_BYTES = 1000000").await;
    let Some(nginx) = Nginx::start(&server).await else {
        return;
    };
    for round in 0..3 {
        for buffering in ["on", "off"] {
            let posts = [
                ("/missing", 404),
                ("/members", 303),
                ("/echo", 413),
                ("/unread", 200),
            ]
            .into_iter()
            .flat_map(|(path, status)| {
                [3, 10, 30].map(|megabytes| (path, status, megabytes * 1_000_000))
            })
            .map(async |(path, status, size)| {
                let found = post(nginx.socket(buffering), path, size).await;
                assert_eq!(
                    found,
                    status,
                    "{path} {size} {buffering} {round}: {}",
                    nginx.errors()
                );
            });
            join_all(posts).await;
            let small = post(nginx.socket(buffering), "/echo", 100_000).await;
            assert_eq!(small, 200, "{}", nginx.errors());
        }
    }
}
