//! WebSockets: what a client meets that speaks to the server byte by byte, and what a view sees of it.

mod frames;
mod handshake;
mod independent;
#[path = "../http/log.rs"]
mod log;
mod nginx;
mod server;
mod view;
mod wire;
