//! The server, as a client sees it that speaks to it through a socket.

mod breaking_off;
mod curl;
mod deadlines;
mod expectations;
mod floods;
mod frames;
mod framing;
mod half_closed;
mod health;
mod hosts;
mod http2;
mod limits;
mod log;
mod nginx;
mod protocol;
mod slow_http2;
mod smuggling;
mod stopping;
mod targets;
mod unread;
mod wire;
