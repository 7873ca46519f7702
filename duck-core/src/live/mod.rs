//! Connections that stay open: WebSockets, and server-sent events.
//!
//! Both end when the visitor's session does, if their view has asked for it, and when the server stops.

#[cfg(feature = "websocket")]
pub(crate) mod conversation;
mod event;
#[cfg(feature = "websocket")]
mod handshake;
#[cfg(feature = "websocket")]
mod heartbeat;
#[cfg(feature = "websocket")]
mod message;
mod revocation;
#[cfg(feature = "websocket")]
mod socket;
#[cfg(feature = "websocket")]
mod socket_limits;
#[cfg(feature = "websocket")]
mod socket_view;
mod sse;
#[cfg(feature = "websocket")]
pub(crate) mod upgrade;
#[cfg(feature = "websocket")]
mod wire;

pub use self::event::{Event, EventError};
#[cfg(feature = "websocket")]
pub use self::message::Message;
#[cfg(feature = "websocket")]
pub use self::socket::{CloseError, SocketClosed, WebSocket};
#[cfg(feature = "websocket")]
pub use self::socket_view::{SocketAnswer, SocketView, websocket, websocket_with};
pub use self::sse::{Events, sse, sse_with};
