//! A proxy before the server, which cuts connections in the middle of an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    /// After a write that begins with this, the answer is read from the server and not passed on: that of its commit.
    cuts: Arc<AtomicBool>,
    pub(crate) cut: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            cuts: Arc::default(),
            cut: Arc::default(),
        };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                tokio::spawn(accepting.clone().carry(client, server));
            }
        });
        proxy
    }

    /// From now on the answer to the next write is cut.
    pub(crate) fn cut_next(&self) {
        self.cuts.store(true, Ordering::SeqCst);
    }

    async fn carry(self, client: TcpStream, server: TcpStream) {
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let sending = tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
        let mut buffer = vec![0; 65536];
        while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
            // `UPDATE 1`, and whatever the server sends with it: what was asked has been done.
            let done = buffer[..length].windows(8).position(|it| it == b"UPDATE 1");
            if let Some(at) = done
                && self.cuts.swap(false, Ordering::SeqCst)
            {
                let _ = to_client.write_all(&buffer[..at]).await; // some of the answer, and no more
                self.cut.fetch_add(1, Ordering::SeqCst);
                break;
            }
            if to_client.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
        sending.abort();
    }
}
