//! The server, as a client sees it that speaks to it through a socket.

mod breaking_off;
mod deadlines;
mod expectations;
mod framing;
mod half_closed;
mod hosts;
mod http2;
mod limits;
mod log;
mod nginx;
mod protocol;
mod smuggling;
mod stopping;
mod targets;
mod unread;
mod wire;
