//! The protocol of a WebSocket on its connection: RFC 6455, as tungstenite speaks it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message as Frame, protocol::frame::coding::CloseCode};

use super::message::Message;

/// What is allocated for each socket to read into: most messages are smaller.
const READ_BUFFER: usize = 2 * 1024;

/// Why a socket is closed, as the client is told.
pub(super) const NORMAL: u16 = 1000;
pub(super) const GOING_AWAY: u16 = 1001;
const PROTOCOL: u16 = 1002;
const BAD_TEXT: u16 = 1007;
pub(super) const REFUSED: u16 = 1008;
const TOO_LARGE: u16 = 1009;
pub(super) const FAILED: u16 = 1011;
/// The visitor's session is over: from the range for private use, as HTTP's 401.
pub(super) const SESSION_OVER: u16 = 4401;

/// A connection that speaks the protocol.
pub(super) struct Wire<S> {
    stream: WebSocketStream<S>,
    /// Something was written that the client has not taken yet. Until it has, nothing is read: else its pings
    /// alone would have their answers pile up.
    pub(super) is_unflushed: bool,
}

/// What comes of a turn of the connection.
pub(super) enum Turn {
    /// All that was written has left.
    Flushed,
    /// The client has sent this.
    Message(Message),
    /// It gave a sign of being there.
    Sign,
    /// It closes, or is gone: there is nobody to tell anything.
    Gone,
    /// It has to be closed with this code.
    Broken(u16),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// The server's end of a connection, of which `read` was read already.
    pub(super) async fn new(connection: S, read: Bytes, most: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(most))
            .max_frame_size(Some(most));
        let (read, role, config) = (read.into(), Role::Server, Some(config));
        Self {
            stream: WebSocketStream::from_partially_read(connection, read, role, config).await,
            is_unflushed: false,
        }
    }

    /// Writes what is written, and then reads, if there is room for a message.
    pub(super) fn poll_turn(&mut self, cx: &mut Context<'_>, has_room: bool) -> Poll<Turn> {
        if self.is_unflushed {
            let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
            self.is_unflushed = false;
            return Poll::Ready(flushed.map_or(Turn::Gone, |()| Turn::Flushed));
        }
        if !has_room {
            return Poll::Pending;
        }
        let frame = ready!(Pin::new(&mut self.stream).poll_next(cx));
        Poll::Ready(match frame {
            Some(Ok(Frame::Text(text))) => Turn::Message(Message::Text(text.as_str().to_owned())),
            Some(Ok(Frame::Binary(bytes))) => Turn::Message(Message::Binary(bytes)),
            Some(Ok(Frame::Ping(_))) => {
                self.is_unflushed = true;
                Turn::Sign
            }
            Some(Ok(Frame::Pong(_) | Frame::Frame(_))) => Turn::Sign,
            Some(Ok(Frame::Close(_))) | None => Turn::Gone,
            Some(Err(error)) => code_of(&error).map_or(Turn::Gone, Turn::Broken),
        })
    }

    /// Begins to write a message.
    pub(super) fn write(&mut self, message: Message) {
        self.begin(match message {
            Message::Text(text) => Frame::Text(text.into()),
            Message::Binary(bytes) => Frame::Binary(bytes),
        });
    }

    /// Begins to write a ping.
    pub(super) fn ping(&mut self) {
        self.begin(Frame::Ping(Bytes::new()));
    }

    fn begin(&mut self, frame: Frame) {
        // Where it fails, the flush that follows fails too, or there is nothing to flush.
        let _ = Pin::new(&mut self.stream).start_send(frame);
        self.is_unflushed = true;
    }

    /// Writes a message when those before it have left. Whoever goes away before misses it.
    pub(super) async fn send(&mut self, message: Message) {
        self.flush().await;
        self.write(message);
    }

    /// Waits until all that was written has left, or the client has gone.
    pub(super) async fn flush(&mut self) {
        let _ = self.stream.flush().await;
    }

    /// Comes to the end of the protocol, and of the connection: says why, unless the client did, waits for its
    /// answer, and closes.
    pub(super) async fn close(&mut self, why: Option<(u16, String)>) {
        if let Some((code, reason)) = why {
            let _ = self.stream.flush().await;
            let (code, reason) = (CloseCode::from(code), reason.into());
            let close = Frame::Close(Some(CloseFrame { code, reason }));
            let _ = self.stream.send(close).await;
        }
        while let Some(Ok(_)) = self.stream.next().await {}
        let _ = self.stream.get_mut().shutdown().await;
    }
}

/// What a client is told that broke the protocol or a limit; `None`: it is gone.
fn code_of(error: &Error) -> Option<u16> {
    match error {
        Error::Capacity(_) => Some(TOO_LARGE),
        Error::Utf8(_) => Some(BAD_TEXT),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(PROTOCOL),
        _ => None,
    }
}
