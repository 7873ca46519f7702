//! Behind a real nginx: whatever the site answers arrives, and never nginx's own 502.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::nginx::Nginx;
use crate::wire::Server;

const PATIENCE: Duration = Duration::from_secs(60);

/// In front of this server, with a socket for each way of passing a request's body on, and connections to the site
/// that are used again. `None` where there is no nginx.
async fn start(server: &Server) -> Option<Nginx> {
    let address = server.address;
    let configure = |folder: &Path| {
        let folder = folder.display();
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
            "client_max_body_size 0; upstream site {{ server {address}; keepalive 4; }} {sites}"
        )
    };
    let is_up = async |folder: &Path| UnixStream::connect(folder.join("off")).await.is_ok();
    Nginx::start(configure, is_up).await
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
    let Some(nginx) = start(&server).await else {
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
                let found = post(nginx.folder.path().join(buffering), path, size).await;
                assert_eq!(
                    found,
                    status,
                    "{path} {size} {buffering} {round}: {}",
                    nginx.errors()
                );
            });
            join_all(posts).await;
            let small = post(nginx.folder.path().join(buffering), "/echo", 100_000).await;
            assert_eq!(small, 200, "{}", nginx.errors());
        }
    }
}
