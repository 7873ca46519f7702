//! Bodies on their way to hyper: what a site made is written as it is, without an allocation to share it.

use std::io::Cursor;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};

use crate::http::body::{Body, BoxError};

/// A body as hyper sends it.
pub(super) struct Wire(pub(super) Body);

/// Some bytes of a body.
pub(super) enum Piece {
    Owned(Cursor<Vec<u8>>),
    Shared(Bytes),
}

impl http_body::Body for Wire {
    type Data = Piece;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, BoxError>>> {
        if let Some(bytes) = self.0.take_owned() {
            return Poll::Ready(Some(Ok(Frame::data(Piece::Owned(Cursor::new(bytes))))));
        }
        let poll = Pin::new(&mut self.0).poll_frame(cx);
        poll.map_ok(|frame| frame.map_data(Piece::Shared))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        match self {
            Self::Owned(bytes) => bytes.remaining(),
            Self::Shared(bytes) => bytes.remaining(),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes.chunk(),
            Self::Shared(bytes) => bytes.chunk(),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Owned(bytes) => bytes.advance(count),
            Self::Shared(bytes) => bytes.advance(count),
        }
    }
}
