//! A socket that tells its connection's [`Vitals`] what moves.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::heads::Heads;
use super::linger::Linger;
use super::listener::Listener;
#[cfg(feature = "http2")]
use super::preface::Preface;
use super::traffic;
use super::vitals::Vitals;

pub(super) struct Watched<L: Listener> {
    stream: L::Io,
    #[cfg(feature = "http2")]
    preface: Preface,
    heads: Heads,
    vitals: Arc<Vitals>,
    /// The client will send no more: it has closed its side, or both.
    ended: bool,
    /// There are bytes that hyper does not read yet.
    waiting: bool,
    /// A buffer between here and the socket, that of TLS, has not been taken yet.
    flushing: bool,
    linger: Option<Linger>,
}

impl<L: Listener> Watched<L> {
    pub(super) fn new(stream: L::Io, vitals: Arc<Vitals>) -> Self {
        Self {
            stream,
            #[cfg(feature = "http2")]
            preface: Preface::default(),
            heads: Heads::default(),
            vitals,
            ended: false,
            waiting: false,
            flushing: false,
            linger: None,
        }
    }

    /// Reads the first bytes, which decide on the protocol.
    #[cfg(feature = "http2")]
    pub(super) fn poll_is_http2(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let is_http2 = ready!(self.preface.poll_is_http2(&mut self.stream, cx));
        if matches!(is_http2, Ok(true)) {
            self.heads.leave_alone();
        }
        Poll::Ready(is_http2)
    }

    /// What comes from here on is no request.
    #[cfg(feature = "websocket")]
    pub(super) fn leave_alone(&mut self) {
        self.heads.leave_alone();
        self.vitals.switches();
    }

    /// Notices that the client has closed its side, which is no reason not to answer, or is gone,
    /// which is. hyper does not read while the site works on a request.
    fn look_for_the_end(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.ended || self.waiting || !self.vitals.is_at_work() {
            return Ok(());
        }
        match L::poll_end(&mut self.stream, cx) {
            Poll::Ready(Ok(true)) => self.end(),
            Poll::Ready(Ok(false)) => self.waiting = true,
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => {}
        }
        Ok(())
    }

    fn end(&mut self) {
        self.ended = true;
        self.vitals.half_closed();
    }

    /// A client that first sends its whole body, and then reads, would wait for ever for a server that
    /// first sends its whole response.
    fn throw_away(&mut self, cx: &mut Context<'_>) {
        if self.vitals.is_unread() && !self.ended {
            let linger = self.linger.get_or_insert_with(Linger::new);
            // How long this may take is the write deadline's affair.
            let _ = linger.poll(&mut self.stream, cx);
        }
    }

    fn note_write(&self, poll: &Poll<io::Result<usize>>) {
        match poll {
            Poll::Ready(Ok(bytes)) => {
                traffic::sent(*bytes);
                // Into the buffer of TLS only, where the client takes nothing of that.
                if !self.flushing {
                    self.vitals.wrote();
                }
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.vitals.blocked(),
        }
    }
}

impl<L: Listener> AsyncRead for Watched<L> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self {
            stream,
            heads,
            vitals,
            waiting,
            #[cfg(feature = "http2")]
            preface,
            ..
        } = &mut *self;
        let before = buffer.filled().len();
        #[cfg(feature = "http2")]
        let is_handed_on = preface.hand_on(buffer);
        let poll = Pin::new(stream).poll_read(cx, buffer);
        #[cfg(feature = "http2")]
        let poll = if is_handed_on && poll.is_pending() {
            Poll::Ready(Ok(()))
        } else {
            poll
        };
        let read = &buffer.filled()[before..];
        *waiting = false;
        if !read.is_empty() {
            traffic::received(read.len());
            vitals.read();
            heads.read(read, |head| vitals.suspect(head));
        } else if poll.is_ready() {
            self.end();
        }
        poll
    }
}

impl<L: Listener> AsyncWrite for Watched<L> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note_write(&poll);
        if poll.is_pending() {
            self.throw_away(cx);
        }
        poll
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note_write(&poll);
        poll
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.look_for_the_end(cx)?;
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        // TLS has a buffer of its own, which may hold the rest of a response. TCP is never pending here.
        if poll.is_pending() {
            self.flushing = true;
            self.vitals.blocked();
            self.throw_away(cx);
        } else if std::mem::take(&mut self.flushing) {
            self.vitals.wrote();
        }
        poll
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self {
            stream,
            heads,
            linger,
            ended,
            ..
        } = &mut *self;
        ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        if *ended || heads.is_between_requests() {
            return Poll::Ready(Ok(()));
        }
        linger
            .get_or_insert_with(Linger::new)
            .poll(stream, cx)
            .map(Ok)
    }
}
