//! WebSockets: what a client meets that speaks to the server byte by byte, and what a view sees of it.

mod behind_nginx;
mod frames;
mod handshake;
mod independent;
#[path = "../http/log.rs"]
mod log;
#[path = "../nginx/mod.rs"]
mod nginx;
#[path = "../python/mod.rs"]
mod python;
#[path = "../running/mod.rs"]
mod running;
mod server;
mod view;
mod wire;
