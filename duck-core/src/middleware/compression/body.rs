use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::http::HeaderMap;
use bytes::Bytes;
use http_body::{Body as _, Frame};

use super::encoder::Encoder;
use crate::http::body::{Body, BoxError};

/// Bytes that are sent together.
const PIECE: usize = 16 * 1024;

/// Bytes that are compressed before others have their turn.
const TURN: u64 = 256 * 1024;

/// A body that is compressed as it is made. Where it makes a pause, all that it has made is on its way.
pub(super) struct Compressed {
    body: Body,
    /// `None` when all is compressed, or nothing more is to come.
    encoder: Option<Encoder>,
    /// Whether the encoder holds something back.
    unflushed: bool,
    /// Bytes that have come, and that have to.
    came: u64,
    length: Option<u64>,
    trailers: Option<HeaderMap>,
}

impl Compressed {
    /// `length` is what the body was said to have.
    pub(super) fn new(body: Body, encoder: Encoder, length: Option<u64>) -> Self {
        Self {
            body,
            encoder: Some(encoder),
            unflushed: false,
            came: 0,
            length,
            trailers: None,
        }
    }

    /// The next compressed bytes; none at the end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, BoxError>> {
        let turn = self.came.saturating_add(TURN);
        while let Some(encoder) = &mut self.encoder {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(frame) => frame.transpose()?,
                Poll::Pending => {
                    if mem::take(&mut self.unflushed) {
                        encoder.flush()?;
                    }
                    let output = mem::take(encoder.output());
                    // Nothing would be the end.
                    return if output.is_empty() {
                        Poll::Pending
                    } else {
                        Poll::Ready(Ok(output))
                    };
                }
            };
            match frame.map(Frame::into_data) {
                Some(Ok(piece)) => {
                    encoder.write(&piece)?;
                    self.unflushed |= !piece.is_empty();
                    self.came += piece.len() as u64;
                }
                Some(Err(other)) => {
                    self.trailers = other.into_trailers().ok();
                    return Poll::Ready(self.finish());
                }
                None => return Poll::Ready(self.finish()),
            }
            if encoder.output().len() >= PIECE {
                return Poll::Ready(Ok(mem::take(encoder.output())));
            }
            if self.came >= turn {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(Vec::new()))
    }

    fn finish(&mut self) -> Result<Vec<u8>, BoxError> {
        if self.length.is_some_and(|length| length != self.came) {
            let error = format!(
                "the body had {} bytes in place of {:?}",
                self.came, self.length
            );
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error).into());
        }
        let rest = self.encoder.take().map(Encoder::finish).transpose()?;
        Ok(rest.unwrap_or_default())
    }
}

impl http_body::Body for Compressed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let piece = match ready!(self.poll_piece(cx)) {
            Ok(piece) => piece,
            Err(error) => {
                self.encoder = None;
                self.trailers = None;
                return Poll::Ready(Some(Err(error)));
            }
        };
        let frame = if piece.is_empty() {
            self.trailers.take().map(Frame::trailers)
        } else {
            Some(Frame::data(piece.into()))
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none() && self.trailers.is_none()
    }
}
