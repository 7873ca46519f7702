//! The server, as a client sees it that speaks to it through a socket.

mod deadlines;
mod http2;
mod limits;
mod protocol;
mod smuggling;
mod stopping;
mod wire;
