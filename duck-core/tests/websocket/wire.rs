//! A server of a test's own, and a client of WebSockets that can do everything wrong.

use std::net::SocketAddr;

use duck::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::running::{PATIENCE, Running};

pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CONTINUED: u8 = 0x0;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
/// The bit of a message's last frame.
pub(crate) const FIN: u8 = 0x80;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) running: Running,
}

impl Server {
    pub(crate) async fn of(app: App) -> Self {
        let site = app.start().await.expect("a site");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let running = Running::start(listener, site);
        Self { address, running }
    }

    /// With a view at `/echo` that sends back what it gets, and one at `/chat` that says which protocol it speaks.
    pub(crate) async fn echo(settings: &str) -> Self {
        let settings = Settings::from_toml(settings).expect("settings");
        let urls = [
            websocket("/echo", echo),
            websocket_with("/chat", ["chat.v2", "chat.v1"], chat),
        ];
        Self::of(App::new(settings).urls(urls)).await
    }

    /// What the server answers to this head.
    pub(crate) async fn ask(&self, head: &str) -> (u16, String, TcpStream) {
        let mut stream = TcpStream::connect(self.address)
            .await
            .expect("a connection");
        stream
            .write_all(head.as_bytes())
            .await
            .expect("the server reads");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let byte = timeout(PATIENCE, stream.read_u8()).await;
            answer.push(byte.expect("an answer").expect("a whole head"));
        }
        let answer = String::from_utf8(answer).expect("text");
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        (
            status.expect("a status"),
            answer.to_ascii_lowercase(),
            stream,
        )
    }

    /// An open socket.
    pub(crate) async fn open(&self, path: &str) -> Socket {
        let (status, answer, stream) = self.ask(&handshake(path, "")).await;
        assert_eq!(status, 101, "{answer}");
        Socket { stream }
    }
}

pub(crate) async fn echo(_request: Request, mut socket: WebSocket) -> Result<()> {
    while let Some(message) = socket.receive().await {
        socket.send(message).await?;
    }
    Ok(())
}

async fn chat(_request: Request, socket: WebSocket) -> Result<()> {
    Ok(socket.send(socket.protocol().unwrap_or("none")).await?)
}

/// A handshake as RFC 6455 has it, with more lines.
pub(crate) fn handshake(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// A frame of a client, masked. Its first byte has the flags and the opcode.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut frame = vec![first];
    let length = payload.len();
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..=125), _) => frame.push(0x80 | length),
        (_, Ok(length)) => {
            frame.push(0x80 | 0x7E);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 0x7F);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    let masked = payload.iter().zip(mask.iter().cycle());
    frame.extend(masked.map(|(byte, mask)| byte ^ mask));
    frame
}

pub(crate) fn close(code: u16) -> Vec<u8> {
    frame(FIN | CLOSE, &code.to_be_bytes())
}

pub(crate) struct Socket<S = TcpStream> {
    pub(crate) stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream
            .write_all(bytes)
            .await
            .expect("the server reads");
    }

    pub(crate) async fn text(&mut self, text: &str) {
        self.send(&frame(FIN | TEXT, text.as_bytes())).await;
    }

    /// The next frame of the server: its first byte and its payload; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        timeout(PATIENCE, self.read())
            .await
            .expect("a frame, or the end")
    }

    async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.stream.read_u8().await.ok()?;
        let length = match self.stream.read_u8().await.expect("a length") {
            126 => u64::from(self.stream.read_u16().await.expect("a length")),
            127 => self.stream.read_u64().await.expect("a length"),
            length => {
                assert!(length < 126, "a server masks nothing");
                u64::from(length)
            }
        };
        let mut payload = vec![0; usize::try_from(length).expect("a length")];
        self.stream
            .read_exact(&mut payload)
            .await
            .expect("a payload");
        Some((first, payload))
    }

    pub(crate) async fn next_text(&mut self) -> String {
        let (first, payload) = self.next().await.expect("a frame");
        assert_eq!(first, FIN | TEXT);
        String::from_utf8(payload).expect("text")
    }

    /// The code that the server closes the socket with, and that the connection ends after it.
    pub(crate) async fn closed(mut self) -> u16 {
        let code = self.close_code().await;
        // A client answers, and then the server ends the connection.
        let _ = self.stream.write_all(&close(code)).await;
        assert_eq!(self.next().await, None, "nothing comes after the end");
        code
    }

    /// The code of the next frame, which closes the socket.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            let (first, payload) = self.next().await.expect("a frame that says why");
            if first == FIN | CLOSE {
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    }
}
