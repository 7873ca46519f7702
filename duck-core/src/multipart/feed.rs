//! A body as the parser gets it.
//!
//! multer takes all that its stream has ready before it looks at any of it, and looks through all it
//! holds again for each piece while it waits for the end of a part's headers, however long they are.
//! Left to itself it would hold a whole upload, and a visitor who sends one without a boundary byte
//! by byte would keep a processor busy. So it is handed pieces one at a time, only when what it
//! holds is not enough; none of them is tiny; and there is an end to them within headers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use tokio::task::yield_now;

use crate::http::request::BodyStream;
use crate::http::request_error::RequestError;

/// How much is gathered before it is passed on.
const PIECE: usize = 8 * 1024;

/// What the reader of the parts tells the feeder of the parser.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The parser has not looked yet at what it holds.
    is_fresh: AtomicBool,
    /// Bytes that may be passed on before it has to have found something.
    left: AtomicUsize,
}

impl Pace {
    /// Begins a step: something is to be found within `limit` further bytes.
    pub(super) fn start(&self, limit: usize) {
        self.is_fresh.store(true, Ordering::Relaxed);
        self.left.store(limit, Ordering::Relaxed);
    }

    /// Lets the parser look, first at what it holds and then after each piece.
    async fn wait(&self) {
        loop {
            yield_now().await;
            if !self.is_fresh.swap(false, Ordering::Relaxed) {
                return;
            }
        }
    }

    fn check(&self) -> Result<(), RequestError> {
        match self.left.load(Ordering::Relaxed) {
            0 => Err(RequestError::bad_request(
                "the upload has too much between two parts",
            )),
            _ => Ok(()),
        }
    }

    fn count(&self, bytes: usize) {
        let left = self.left.load(Ordering::Relaxed);
        self.left
            .store(left.saturating_sub(bytes), Ordering::Relaxed);
    }
}

/// The body in pieces that keep to the pace.
pub(super) fn pieces(
    body: BodyStream,
    pace: Arc<Pace>,
) -> impl Stream<Item = Result<Bytes, RequestError>> + Send {
    let feed = Feed {
        body,
        pace,
        is_over: false,
    };
    stream::unfold(feed, async |mut feed| {
        feed.next().await.transpose().map(|piece| (piece, feed))
    })
}

struct Feed {
    body: BodyStream,
    pace: Arc<Pace>,
    is_over: bool,
}

impl Feed {
    async fn next(&mut self) -> Result<Option<Bytes>, RequestError> {
        self.pace.wait().await;
        self.pace.check()?;
        let piece = self.gather().await?;
        self.pace.count(piece.as_ref().map_or(0, Bytes::len));
        Ok(piece)
    }

    async fn gather(&mut self) -> Result<Option<Bytes>, RequestError> {
        let Some(first) = self.read().await? else {
            return Ok(None);
        };
        if first.len() >= PIECE {
            return Ok(Some(first));
        }
        let mut piece = BytesMut::from(first);
        while piece.len() < PIECE
            && let Some(more) = self.read().await?
        {
            piece.extend_from_slice(&more);
        }
        Ok(Some(piece.freeze()))
    }

    /// A body is not asked again after its end: it may panic.
    async fn read(&mut self) -> Result<Option<Bytes>, RequestError> {
        if self.is_over {
            return Ok(None);
        }
        let piece = self.body.next().await?;
        self.is_over = piece.is_none();
        Ok(piece)
    }
}
