//! Behind a real nginx, as the guide configures it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use duck::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::nginx::Nginx;
use crate::wire::{Server, Socket, echo, handshake};

const PATIENCE: Duration = Duration::from_secs(60);

/// What it answers to this head, and the connection.
async fn ask(nginx: &Nginx, head: &str) -> (String, UnixStream) {
    let mut stream = UnixStream::connect(socket(nginx.folder.path()))
        .await
        .expect("nginx");
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

fn socket(folder: &Path) -> PathBuf {
    folder.join("socket")
}

/// What the guide says, on a socket of the test's own.
fn configure(folder: &Path, address: SocketAddr) -> String {
    let guide = include_str!("../../../docs/live.md");
    let block = guide.split("```nginx\n").nth(1).expect("a configuration");
    let block = block.split("```").next().expect("its end");
    let (folder, address) = (folder.display(), address.to_string());
    let block = block.replace("127.0.0.1:8000", &address).replace(
        "server {",
        &format!("server {{ listen unix:{folder}/socket;"),
    );
    assert!(block.contains(&address), "{block}");
    block
}

#[tokio::test]
async fn sockets_and_events_pass_through_nginx_as_the_guide_configures_it() {
    let events = async |request: Request| {
        sse_with(&request, async |events| {
            events.send(Event::new("at once")).await?;
            std::future::pending().await
        })
    };
    let urls = [websocket("/echo", echo), path("/events", events)];
    let server = Server::of(App::new(Settings::default()).urls(urls)).await;
    let configure = |folder: &Path| configure(folder, server.address);
    let is_up = async |folder: &Path| UnixStream::connect(socket(folder)).await.is_ok();
    let Some(nginx) = Nginx::start(configure, is_up).await else {
        return;
    };
    let own = handshake("/echo", "Origin: http://test\r\n");
    let (answer, stream) = ask(&nginx, &own).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    let mut socket = Socket { stream };
    socket.text("quack").await;
    assert_eq!(socket.next_text().await, "quack");
    socket.send(&crate::wire::close(1000)).await;
    assert_eq!(socket.closed().await, 1000);

    let other = handshake("/echo", "Origin: http://other\r\n");
    let (answer, _) = ask(&nginx, &other).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");

    let (answer, mut stream) = ask(&nginx, "GET /events HTTP/1.1\r\nHost: test\r\n\r\n").await;
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
