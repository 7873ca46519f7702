//! A connection of which nobody knows yet whether it is HTTP/2.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::attendance::Conversation;
use super::listener::Listener;
use super::watched::Watched;

/// The connection, until its first bytes are here; `None` when it was ended before.
pub(super) struct Opening<L: Listener>(pub(super) Option<Watched<L>>);

impl<L: Listener> Future for Opening<L> {
    /// The connection again, and whether it is HTTP/2. `None` if there is nobody to serve.
    type Output = Option<(Watched<L>, bool)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(socket) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let is_http2 = ready!(socket.poll_is_http2(cx));
        let socket = self.0.take();
        Poll::Ready(socket.zip(is_http2.ok()))
    }
}

impl<L: Listener> Conversation for Opening<L> {
    fn retire(mut self: Pin<&mut Self>) {
        self.0 = None;
    }
}
