//! A proxy that cuts a connection in the middle of an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

#[derive(Default)]
struct State {
    /// The answer to the next script is cut.
    cuts: AtomicBool,
    cuts_now: AtomicBool,
    scripts: AtomicUsize,
}

pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
}

impl Proxy {
    /// Stands before the server at `port`.
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let its = state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (from, to) = client.into_split();
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let (answers, questions) = server.into_split();
                tokio::spawn(ask(from, questions, its.clone()));
                tokio::spawn(answer(answers, to, its.clone()));
            }
        });
        Self { port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// From now on the answer to the next script ends after its first byte, and with it the connection.
    pub(crate) fn cut_the_next_script(&self) {
        self.state.cuts.store(true, Ordering::SeqCst);
    }

    /// How many scripts were sent.
    pub(crate) fn scripts(&self) -> usize {
        self.state.scripts.load(Ordering::SeqCst)
    }
}

async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: Arc<State>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        let scripts = buffer[..len]
            .windows(7)
            .filter(|it| it == b"EVALSHA")
            .count();
        state.scripts.fetch_add(scripts, Ordering::SeqCst);
        if scripts > 0 && state.cuts.swap(false, Ordering::SeqCst) {
            state.cuts_now.store(true, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..len]).await.is_err() {
            return;
        }
    }
}

async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: Arc<State>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        if state.cuts_now.swap(false, Ordering::SeqCst) {
            let _ = to.write_all(&buffer[..1]).await;
            let _ = to.shutdown().await;
            return;
        }
        if to.write_all(&buffer[..len]).await.is_err() {
            return;
        }
    }
}
