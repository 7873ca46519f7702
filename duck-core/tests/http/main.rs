//! The server, as a client sees it that speaks to it through a socket.

mod behind_nginx;
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
#[path = "../nginx/mod.rs"]
mod nginx;
#[path = "../program/mod.rs"]
mod program;
mod protocol;
#[path = "../python/mod.rs"]
mod python;
#[path = "../running/mod.rs"]
mod running;
mod scripted_http2;
mod slow_http2;
mod smuggling;
mod stopping;
mod targets;
mod unread;
mod wire;
