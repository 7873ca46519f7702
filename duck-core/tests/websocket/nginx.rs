//! Behind a real nginx, as the guide configures it.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use duck::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use crate::wire::{Server, Socket, handshake};

const PATIENCE: Duration = Duration::from_secs(60);

struct Nginx {
    process: Child,
    folder: tempfile::TempDir,
}

impl Nginx {
    /// In front of this server; `None` where there is no nginx.
    async fn start(server: &Server) -> Option<Self> {
        let places = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];
        let Some(program) = places.into_iter().find(|place| Path::new(place).exists()) else {
            let is_ci = std::env::var("CI").as_deref() == Ok("true");
            assert!(!is_ci, "CI has to have nginx");
            eprintln!("SKIPPED: there is no nginx on this machine");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let configuration = folder.path().join("nginx.conf");
        std::fs::write(&configuration, configure(folder.path(), server)).expect("a file");
        let mut nginx = Command::new(program);
        nginx.arg("-e").arg(folder.path().join("error.log"));
        let process = nginx
            .arg("-c")
            .arg(configuration)
            .spawn()
            .expect("nginx starts");
        let nginx = Self { process, folder };
        let start = Instant::now();
        while UnixStream::connect(nginx.socket()).await.is_err() {
            let errors = std::fs::read_to_string(nginx.folder.path().join("error.log"));
            assert!(start.elapsed() < PATIENCE, "nginx says: {errors:?}");
            sleep(Duration::from_millis(10)).await;
        }
        Some(nginx)
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("socket")
    }

    /// What it answers to this head, and the connection.
    async fn ask(&self, head: &str) -> (String, UnixStream) {
        let mut stream = UnixStream::connect(self.socket()).await.expect("nginx");
        stream
            .write_all(head.as_bytes())
            .await
            .expect("nginx reads");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let byte = timeout(PATIENCE, stream.read_u8()).await;
            answer.push(byte.expect("an answer").expect("a whole head"));
        }
        (String::from_utf8(answer).expect("text"), stream)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}

/// What the guide says, on a socket of the test's own.
fn configure(folder: &Path, server: &Server) -> String {
    let guide = include_str!("../../../docs/live.md");
    let block = guide.split("```nginx\n").nth(1).expect("a configuration");
    let block = block.split("```").next().expect("its end");
    let (folder, address) = (folder.display(), server.address.to_string());
    let block = block.replace("127.0.0.1:8000", &address).replace(
        "server {",
        &format!("server {{ listen unix:{folder}/socket;"),
    );
    assert!(block.contains(&address), "{block}");
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/{name};"))
        .concat();
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log info;
         events {{ worker_connections 100; }} http {{ access_log off; {temporary} {block} }}"
    )
}

#[tokio::test]
async fn sockets_and_events_pass_through_nginx_as_the_guide_configures_it() {
    let echo = async |_: Request, mut socket: WebSocket| -> Result<()> {
        while let Some(message) = socket.receive().await {
            socket.send(message).await?;
        }
        Ok(())
    };
    let events = async |request: Request| {
        sse_with(&request, async |events| {
            events.send(Event::new("at once")).await?;
            std::future::pending().await
        })
    };
    let urls = [websocket("/echo", echo), path("/events", events)];
    let server = Server::of(App::new(Settings::default()).urls(urls)).await;
    let Some(nginx) = Nginx::start(&server).await else {
        return;
    };
    let own = handshake("/echo", "Origin: http://test\r\n");
    let (answer, stream) = nginx.ask(&own).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    let mut socket = Socket { stream };
    socket.text("quack").await;
    assert_eq!(socket.next_text().await, "quack");
    socket.send(&crate::wire::close(1000)).await;
    assert_eq!(socket.closed().await, 1000);

    let other = handshake("/echo", "Origin: http://other\r\n");
    let (answer, _) = nginx.ask(&other).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");

    let (answer, mut stream) = nginx
        .ask("GET /events HTTP/1.1\r\nHost: test\r\n\r\n")
        .await;
    assert!(
        answer.to_ascii_lowercase().contains("text/event-stream"),
        "{answer}"
    );
    let mut event = Vec::new();
    while !event.windows(15).any(|text| text == b"data: at once\n\n") {
        let read = timeout(PATIENCE, stream.read_buf(&mut event)).await;
        assert_ne!(
            read.expect("an event that is not held back")
                .expect("a piece"),
            0
        );
    }
}
