//! Sessions in PostgreSQL, whose connections all threads share.

use std::time::Duration;

use crate::computing::{holds_up_nobody_else, visitors};
use crate::postgres_server;
use crate::served::Server;

pub(crate) fn computes() {
    let Some(postgres) = postgres_server::Server::new() else {
        return;
    };
    let mut server = Server::start(&format!(
        "WORKERS = 2\nWORK_STEALING = false\nSESSION_STORAGE = 'DatabaseCache'\n\
         SESSION_DATABASE_URL = '{}'\n\
         SECRET_KEY = 'a key for tests of more than thirty-two bytes'",
        postgres.url("postgres")
    ));
    let visitors = visitors(&server);
    holds_up_nobody_else(&mut server, visitors, Duration::ZERO);
}
