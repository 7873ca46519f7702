//! HTTPS and Unix sockets, as clients see them.

mod certificates;
mod client;
mod curl;
mod ends;
mod handshakes;
#[path = "../nginx/mod.rs"]
mod nginx;
#[path = "../program/mod.rs"]
mod program;
#[path = "../running/mod.rs"]
mod running;
mod server;
mod unix;
