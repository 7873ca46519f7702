//! TLS around a connection.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::ServerConnection;
use tokio_rustls::{Accept, TlsAcceptor, server};

use super::certificate::Certificate;
use crate::http::proxies::Connection;
use crate::server::listener::Listener;

/// A [`Listener`] whose connections are encrypted. Requests over them are
/// [`is_secure`](crate::Request::is_secure).
///
/// A handshake is part of waiting for the first request: it holds up no other connection, `HEAD_TIMEOUT` is
/// over both, and until then a connection is one of the new ones that an address may have so many of.
pub struct Tls<L> {
    listener: L,
    acceptor: TlsAcceptor,
}

impl<L> Tls<L> {
    /// TLS around the connections of `listener`.
    pub fn new(listener: L, certificate: &Certificate) -> Self {
        let acceptor = TlsAcceptor::from(certificate.config());
        Self { listener, acceptor }
    }
}

impl<L: fmt::Debug> fmt::Debug for Tls<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.listener).finish()
    }
}

impl<L: Listener> Listener for Tls<L> {
    type Io = TlsStream<L::Io>;

    async fn accept(&mut self) -> (Self::Io, Connection) {
        let (io, from) = self.listener.accept().await;
        let stream = TlsStream(State::Handshake(self.acceptor.accept(io)));
        let from = Connection {
            secure: true,
            ..from
        };
        (stream, from)
    }

    /// A `close_notify` is such an end, and so is that of the connection underneath.
    fn poll_end(io: &mut Self::Io, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        match &mut io.0 {
            State::Open(stream) => {
                let (io, session) = stream.get_mut();
                poll_end(io, session, cx)
            }
            State::Handshake(_) | State::Failed => Poll::Pending,
        }
    }
}

/// What is underneath has to be read to see an end in it. Rustls keeps what else it says for the next read:
/// no more than one record, as nothing is read while there is some.
fn poll_end<T: AsyncRead + Unpin>(
    io: &mut T,
    session: &mut ServerConnection,
    cx: &mut Context<'_>,
) -> Poll<io::Result<bool>> {
    loop {
        let state = session
            .process_new_packets()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if state.plaintext_bytes_to_read() > 0 {
            return Poll::Ready(Ok(false));
        }
        if state.peer_has_closed() {
            return Poll::Ready(Ok(true));
        }
        match session.read_tls(&mut Reader { io, cx }) {
            Ok(0) => return Poll::Ready(Ok(true)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

/// An asynchronous stream as rustls reads one.
struct Reader<'a, 'b, T> {
    io: &'a mut T,
    cx: &'a mut Context<'b>,
}

impl<T: AsyncRead + Unpin> io::Read for Reader<'_, '_, T> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(space);
        match Pin::new(&mut *self.io).poll_read(self.cx, &mut buffer) {
            Poll::Ready(Ok(())) => Ok(buffer.filled().len()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// A connection of [`Tls`]. It does its handshake when it is first read.
pub struct TlsStream<T>(State<T>);

enum State<T> {
    Handshake(Accept<T>),
    Open(server::TlsStream<T>),
    Failed,
}

impl<T: AsyncRead + AsyncWrite + Unpin> TlsStream<T> {
    /// The stream, after the handshake.
    fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Pin<&mut server::TlsStream<T>>>> {
        if let State::Handshake(accept) = &mut self.0 {
            self.0 = match ready!(Pin::new(accept).poll(cx)) {
                Ok(stream) => State::Open(stream),
                Err(error) => {
                    tracing::debug!(target: "duck", %error, "a TLS handshake failed");
                    State::Failed
                }
            };
        }
        Poll::Ready(match &mut self.0 {
            State::Open(stream) => Ok(Pin::new(stream)),
            _ => Err(io::ErrorKind::ConnectionAborted.into()),
        })
    }
}

impl<T> fmt::Debug for TlsStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").finish_non_exhaustive()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_read(cx, buffer)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Before the handshake there is nothing to flush.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            State::Open(stream) => Pin::new(stream).poll_flush(cx),
            State::Handshake(_) | State::Failed => Poll::Ready(Ok(())),
        }
    }

    /// Sends `close_notify`. A connection without a handshake is closed when it is dropped.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            State::Open(stream) => Pin::new(stream).poll_shutdown(cx),
            State::Handshake(_) | State::Failed => Poll::Ready(Ok(())),
        }
    }
}
