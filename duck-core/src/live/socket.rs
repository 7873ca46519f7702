//! A WebSocket, as its view has it.

use std::error::Error as StdError;
use std::fmt;

use tokio::sync::mpsc;

use super::message::Message;

/// An open WebSocket. Its view gets it from [`websocket`](crate::live::websocket).
///
/// Pings are answered, and idle clients are found out, whatever the view does meanwhile, as long as it has room for
/// what the client sends: one message waits for it, and nothing is read behind that. The socket is closed when the
/// view returns, or drops it.
#[derive(Debug)]
pub struct WebSocket {
    incoming: mpsc::Receiver<Box<Message>>,
    outgoing: mpsc::Sender<Box<Outgoing>>,
    protocol: Option<&'static str>,
}

/// What a view wants written.
#[derive(Debug)]
pub(super) enum Outgoing {
    Message(Message),
    Close(u16, String),
}

/// The other ends of a view's socket.
pub(super) struct Ends {
    pub(super) inbox: mpsc::Sender<Box<Message>>,
    pub(super) outbox: mpsc::Receiver<Box<Outgoing>>,
}

impl WebSocket {
    pub(super) fn pair(protocol: Option<&'static str>) -> (Self, Ends) {
        // One of each: a view that is slow slows down its client, and the other way round.
        let (inbox, incoming) = mpsc::channel(1);
        let (outgoing, outbox) = mpsc::channel(1);
        let socket = Self {
            incoming,
            outgoing,
            protocol,
        };
        (socket, Ends { inbox, outbox })
    }

    /// The protocol that is spoken over this socket: the first of those that the client has offered which the view names in
    /// [`websocket_with`](crate::live::websocket_with). `None` where there is none.
    pub fn protocol(&self) -> Option<&'static str> {
        self.protocol
    }

    /// The next message; `None` when the socket is closed: by the client, because the client is gone or broke the
    /// protocol, because the visitor's session is over, or because the server stops. The view then has five
    /// seconds to come to its end, before it is dropped.
    ///
    /// In `tokio::select!` it loses no message: one that came is there at the next call.
    ///
    /// ```
    /// use duck::live::WebSocket;
    /// use duck::{Request, Result};
    /// use tokio::sync::broadcast;
    ///
    /// async fn room(request: Request, mut socket: WebSocket) -> Result<()> {
    ///     let room = request.state::<broadcast::Sender<String>>()?.clone();
    ///     let mut said = room.subscribe();
    ///     loop {
    ///         tokio::select! {
    ///             message = socket.receive() => match message {
    ///                 Some(message) => drop(room.send(message.text().unwrap_or_default().to_owned())),
    ///                 None => return Ok(()),
    ///             },
    ///             Ok(text) = said.recv() => socket.send(text).await?,
    ///         }
    ///     }
    /// }
    /// ```
    pub async fn receive(&mut self) -> Option<Message> {
        self.incoming.recv().await.map(|message| *message)
    }

    /// Sends a message, as soon as the client has taken those before it but one. A client that takes none for
    /// `WRITE_TIMEOUT` is cut off.
    ///
    /// # Errors
    ///
    /// When the socket is closed. A view may give this error back with `?`: it is no failure, and not logged as one.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), SocketClosed> {
        let message = Box::new(Outgoing::Message(message.into()));
        self.outgoing.send(message).await.map_err(|_| SocketClosed)
    }

    /// Closes the socket for a reason that the client is told, once it has taken what was sent before. A view that
    /// returns without this closes it with 1000 and no text.
    ///
    /// ```
    /// use duck::live::WebSocket;
    /// use duck::{Request, Result};
    ///
    /// async fn game(request: Request, socket: WebSocket) -> Result<()> {
    ///     Ok(socket.close(4000, "the game is full").await?)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// When the code is none that can be sent (1000 to 1003, 1007 to 1014, and 3000 to 4999 can be: RFC 6455, 7.4), or the
    /// text has more than 123 bytes.
    pub async fn close(self, code: u16, reason: &str) -> Result<(), CloseError> {
        if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
            return Err(CloseError(format!("no socket can be closed with {code}")));
        }
        if reason.len() > 123 {
            return Err(CloseError(
                "the reason for closing a socket has 123 bytes at most".to_owned(),
            ));
        }
        let close = Box::new(Outgoing::Close(code, reason.to_owned()));
        // Where it is closed already, that is that.
        let _ = self.outgoing.send(close).await;
        Ok(())
    }
}

/// There is nobody to send to: the socket is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketClosed;

impl fmt::Display for SocketClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the socket is closed")
    }
}

impl StdError for SocketClosed {}

/// A code or a reason that no socket can be closed with.
#[derive(Debug)]
pub struct CloseError(String);

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for CloseError {}
