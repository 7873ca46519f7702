//! The body of a request as it is received.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

#[cfg(feature = "http2")]
use crate::server::upload::Upload;

/// Set when a request's body was dropped before its end had arrived. The rest of it stands before the
/// next request, so the connection has to end.
pub(crate) type Unread = Arc<AtomicBool>;

/// A body on its way in.
pub(crate) struct Received {
    source: Source,
    /// The client sends the body only after a `100 Continue`, which the first reading brings about.
    awaits_continue: bool,
    ended: bool,
}

enum Source {
    Http1(Incoming, Unread),
    /// Each body has a stream of its own.
    #[cfg(feature = "http2")]
    Http2(Box<Upload>),
}

impl Received {
    /// What hyper receives.
    pub(crate) fn http1(incoming: Incoming, awaits_continue: bool, unread: Unread) -> Self {
        Self {
            source: Source::Http1(incoming, unread),
            awaits_continue,
            ended: false,
        }
    }

    /// What comes on a stream of its own.
    #[cfg(feature = "http2")]
    pub(crate) fn http2(upload: Upload, awaits_continue: bool) -> Self {
        Self {
            source: Source::Http2(Box::new(upload)),
            awaits_continue,
            ended: false,
        }
    }

    /// Whether all that is left has arrived already. What has is dropped.
    fn is_at_hand(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        while !self.ended && !http_body::Body::is_end_stream(self) {
            match http_body::Body::poll_frame(Pin::new(&mut *self), &mut cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_))) | Poll::Pending => return false,
                Poll::Ready(None) => return true,
            }
        }
        true
    }
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.awaits_continue = false;
        let poll = match &mut self.source {
            Source::Http1(incoming, unread) => {
                let poll = Pin::new(incoming).poll_frame(cx);
                if matches!(poll, Poll::Ready(Some(Err(_)))) {
                    // hyper ends the connection after this.
                    unread.store(true, Relaxed);
                }
                poll.map_err(|error| BrokenOff(error.into()))
            }
            #[cfg(feature = "http2")]
            Source::Http2(upload) => {
                let poll = Pin::new(&mut **upload).poll_frame(cx);
                poll.map_err(|error| BrokenOff(error.into()))
            }
        };
        if matches!(poll, Poll::Ready(None)) {
            self.ended = true;
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Http1(incoming, _) => incoming.is_end_stream(),
            #[cfg(feature = "http2")]
            Source::Http2(upload) => upload.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Http1(incoming, _) => incoming.size_hint(),
            #[cfg(feature = "http2")]
            Source::Http2(upload) => upload.size_hint(),
        }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if !self.awaits_continue && self.is_at_hand() {
            return;
        }
        match &mut self.source {
            Source::Http1(_, unread) => unread.store(true, Relaxed),
            #[cfg(feature = "http2")]
            Source::Http2(upload) => upload.throw_away(),
        }
    }
}

/// The client broke its request off.
#[derive(Debug)]
pub(crate) struct BrokenOff(Box<dyn StdError + Send + Sync>);

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
