//! HTTP/2 by hand (RFC 9113), for what no polite client sends.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::wire::Server;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// How long a window is: one of the settings.
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

/// Error codes.
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn ends_its_stream(&self) -> bool {
        self.kind == RST_STREAM
            || matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// Of a `RST_STREAM`.
    pub(crate) fn code(&self) -> Option<u32> {
        let bytes = self.payload.as_slice().try_into().ok()?;
        (self.kind == RST_STREAM).then(|| u32::from_be_bytes(bytes))
    }
}

/// A connection, as a frame after the other. It answers nothing by itself.
pub(crate) struct Frames {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Frames {
    pub(crate) async fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address)
            .await
            .expect("it listens");
        Self::over(stream).await
    }

    pub(crate) async fn over(mut stream: TcpStream) -> Self {
        stream.write_all(PREFACE).await.expect("the server reads");
        let read = Vec::new();
        let mut frames = Self { stream, read };
        frames.send(SETTINGS, 0, 0, &[]).await;
        frames
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let sent = self.try_send(kind, flags, stream, payload).await;
        sent.expect("the server reads");
    }

    pub(crate) async fn try_send(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> io::Result<()> {
        let length = u32::try_from(payload.len()).expect("a length of 24 bits");
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame).await
    }

    pub(crate) async fn set(&mut self, setting: u16, value: u32) {
        let mut payload = setting.to_be_bytes().to_vec();
        payload.extend(value.to_be_bytes());
        self.send(SETTINGS, 0, 0, &payload).await;
    }

    /// A whole request for this path, which has to be short.
    pub(crate) async fn get(&mut self, stream: u32, path: &str) {
        let flags = END_HEADERS | END_STREAM;
        self.send(HEADERS, flags, stream, &head(path)).await;
    }

    pub(crate) async fn try_ping(&mut self) -> io::Result<()> {
        self.try_send(PING, 0, 0, &[0; 8]).await
    }

    /// The next frame; `None` when the connection has ended.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let [high, middle, low, kind, flags, a, b, c, d, ..] = self.read[..] {
                let end = 9 + u32::from_be_bytes([0, high, middle, low]) as usize;
                if self.read.len() >= end {
                    let payload = self.read[9..end].to_vec();
                    self.read.drain(..end);
                    let stream = u32::from_be_bytes([a, b, c, d]);
                    return Some(Frame {
                        kind,
                        flags,
                        stream,
                        payload,
                    });
                }
            }
            let read = self.stream.read_buf(&mut self.read).await;
            if read.is_ok_and(|read| read == 0) || self.stream.peer_addr().is_err() {
                return None;
            }
        }
    }

    /// The next frame of a kind.
    pub(crate) async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Sends a ping each second until the connection ends, and counts the seconds.
    pub(crate) async fn ping_until_the_end(&mut self, patience: Duration) -> Duration {
        let start = Instant::now();
        loop {
            let second = Duration::from_secs(1);
            let end = timeout(second, async { while self.next().await.is_some() {} }).await;
            if end.is_ok() || self.try_ping().await.is_err() {
                return start.elapsed();
            }
            assert!(start.elapsed() < patience, "it is still there");
        }
    }
}

/// The head of a `GET`, in HPACK without a table of its own (RFC 7541, 6.2.2).
pub(crate) fn head(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    for (name, value) in [(4, path), (1, "test")] {
        block.extend([name, u8::try_from(value.len()).expect("a short text")]);
        block.extend(value.bytes());
    }
    block
}
