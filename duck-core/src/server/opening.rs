//! A connection of which nobody knows yet whether it is HTTP/2.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::attendance::Conversation;
use super::watched::Watched;

/// The connection, until its first bytes are here; `None` when it was ended before.
pub(super) struct Opening(pub(super) Option<Watched>);

impl Future for Opening {
    /// The connection again, and whether it is HTTP/2. `None` if there is nobody to serve.
    type Output = Option<(Watched, bool)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(socket) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let is_http2 = ready!(socket.poll_is_http2(cx));
        let socket = self.0.take();
        Poll::Ready(socket.zip(is_http2.ok()))
    }
}

impl Conversation for Opening {
    fn retire(mut self: Pin<&mut Self>) {
        self.0 = None;
    }
}
