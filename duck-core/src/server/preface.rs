//! The first bytes of a connection. HTTP/2 begins with some that no request of HTTP/1 begins with:
//! RFC 9113, 3.4.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What was read to know the protocol. The protocol reads it first.
#[derive(Default)]
pub(super) struct Preface {
    bytes: [u8; PREFACE.len()],
    read: usize,
    handed_on: usize,
}

impl Preface {
    /// Reads until it is plain whether the connection is HTTP/2.
    pub(super) fn poll_is_http2<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        while self.read < PREFACE.len() {
            let mut buffer = ReadBuf::new(&mut self.bytes[self.read..]);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
            let count = buffer.filled().len();
            self.read += count;
            if count == 0 || !PREFACE.starts_with(&self.bytes[..self.read]) {
                return Poll::Ready(Ok(false));
            }
        }
        Poll::Ready(Ok(true))
    }

    /// Gives on what was read; whether there was any.
    pub(super) fn hand_on(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let left = &self.bytes[self.handed_on..self.read];
        let count = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..count]);
        self.handed_on += count;
        count > 0
    }
}
