//! The body of a request as hyper receives it.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// Set when a request's body was dropped before its end had arrived. The rest of it stands before the
/// next request, so the connection has to end.
pub(crate) type Unread = Arc<AtomicBool>;

/// A body on its way in.
pub(crate) struct Received {
    incoming: Incoming,
    /// The client sends the body only after a `100 Continue`, which the first reading makes hyper send.
    awaits_continue: bool,
    ended: bool,
    unread: Unread,
}

impl Received {
    pub(crate) fn new(incoming: Incoming, awaits_continue: bool, unread: Unread) -> Self {
        Self {
            incoming,
            awaits_continue,
            ended: false,
            unread,
        }
    }

    /// Whether all that is left has arrived already. What has is dropped.
    fn is_at_hand(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        while !self.ended && !self.incoming.is_end_stream() {
            match Pin::new(&mut *self).poll_frame(&mut cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_))) | Poll::Pending => return false,
                Poll::Ready(None) => return true,
            }
        }
        true
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.awaits_continue = false;
        let poll = Pin::new(&mut self.incoming).poll_frame(cx);
        self.ended |= matches!(poll, Poll::Ready(None));
        poll.map_err(BrokenOff)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if self.awaits_continue || !self.is_at_hand() {
            self.unread.store(true, Relaxed);
        }
    }
}

/// The client broke its request off.
#[derive(Debug)]
pub(crate) struct BrokenOff(hyper::Error);

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for BrokenOff {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}
