//! Sessions in PostgreSQL: each thread has connections.

use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::computing::{holds_up_nobody_else, visitors};
use crate::served::{PATIENCE, Server};
use crate::{postgres_server, six_visitors_count};

fn site(postgres: &postgres_server::Server, settings: &str) -> Server {
    Server::start(&format!(
        "WORKERS = 2\nSESSION_STORAGE = 'DatabaseCache'\nSESSION_DATABASE_URL = '{}'\n\
         SECRET_KEY = 'a key for tests of more than thirty-two bytes'\n{settings}",
        postgres.url("postgres")
    ))
}

/// The view that computes keeps the only connection of its thread.
pub(crate) fn computes() {
    let Some(postgres) = postgres_server::Server::new() else {
        return;
    };
    let settings = "WORK_STEALING = false\nSESSION_DATABASE_POOL = 1";
    let mut server = site(&postgres, settings);
    let visitors = visitors(&server);
    holds_up_nobody_else(&mut server, visitors, Duration::ZERO);
}

pub(crate) fn connections() {
    let Some(postgres) = postgres_server::Server::new() else {
        return;
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let connections = || {
        runtime.block_on(async {
            let client = postgres.client("postgres").await;
            let count = "SELECT count(*) FROM pg_stat_activity \
                         WHERE backend_type = 'client backend' AND query LIKE '%duck_sessions%' \
                         AND pid <> pg_backend_pid()";
            let row = client.query_one(count, &[]).await.expect("a number");
            row.get::<_, i64>(0)
        })
    };
    for (settings, expected) in [("WORK_STEALING = false", 3), ("WORK_STEALING = true", 1)] {
        let server = site(&postgres, settings);
        assert_eq!(connections(), 1, "it has looked at the table");
        six_visitors_count(&server);
        assert_eq!(connections(), expected, "{settings}");
        drop(server);
        let start = Instant::now();
        while connections() > 0 {
            assert!(start.elapsed() < PATIENCE, "they stay open");
        }
    }
}
