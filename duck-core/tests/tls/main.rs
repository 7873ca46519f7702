//! HTTPS and Unix sockets, as clients see them.

mod certificates;
mod client;
mod curl;
mod ends;
mod handshakes;
mod server;
mod unix;
