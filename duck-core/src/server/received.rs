//! The body of a request as hyper receives it.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How much of a body that nobody reads is taken in over HTTP/2, and for how long.
const MOST: usize = 64 * 1024 * 1024;
const LONGEST: Duration = Duration::from_secs(30);

/// Set when a request's body was dropped before its end had arrived. The rest of it stands before the
/// next request, so the connection has to end.
pub(crate) type Unread = Arc<AtomicBool>;

/// A body on its way in.
pub(crate) struct Received {
    /// It is here until this is dropped.
    incoming: Option<Incoming>,
    /// The client sends the body only after a `100 Continue`, which the first reading makes hyper send.
    awaits_continue: bool,
    ended: bool,
    /// `None` over HTTP/2, where each body has a stream of its own.
    unread: Option<Unread>,
}

impl Received {
    pub(crate) fn new(incoming: Incoming, awaits_continue: bool, unread: Option<Unread>) -> Self {
        Self {
            incoming: Some(incoming),
            awaits_continue,
            ended: false,
            unread,
        }
    }

    /// Whether all that is left has arrived already. What has is dropped.
    fn is_at_hand(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        while !self.ended && !self.is_end_stream() {
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
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let poll = Pin::new(incoming).poll_frame(cx);
        match (&poll, &self.unread) {
            (Poll::Ready(None), _) => self.ended = true,
            // hyper ends the connection after this.
            (Poll::Ready(Some(Err(_))), Some(unread)) => unread.store(true, Relaxed),
            _ => {}
        }
        poll.map_err(BrokenOff)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.incoming.as_ref().map(Body::size_hint);
        hint.unwrap_or_else(|| SizeHint::with_exact(0))
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if !self.awaits_continue && self.is_at_hand() {
            return;
        }
        if let Some(unread) = &self.unread {
            unread.store(true, Relaxed);
        } else if let (Some(incoming), Ok(runtime)) = (self.incoming.take(), Handle::try_current())
        {
            runtime.spawn(async { timeout(LONGEST, throw_away(incoming)).await });
        }
    }
}

/// Takes in what is still sent over HTTP/2. If the body were dropped, the client would be told with
/// `RST_STREAM` to send no more (RFC 9113, 8.1), and some clients then lose the answer as well.
async fn throw_away(mut incoming: Incoming) {
    let mut taken = 0;
    while taken < MOST
        && let Some(Ok(frame)) = incoming.frame().await
    {
        taken += frame.data_ref().map_or(0, Bytes::len);
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
