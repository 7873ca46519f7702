//! A site whose views panic and block. It is a program of its own: this one, started once more.

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use duck::{App, Request, Result, Settings, path};

#[path = "own_program/mod.rs"]
mod own_program;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "own_program/served.rs"]
mod served;

use served::{SITE, Server};

fn main() -> ExitCode {
    if env::var_os(SITE).is_some() {
        served::end_some_day();
        return site().run();
    }
    let tests: [(&str, fn()); 2] = [
        (
            "panics_do_not_wait_for_a_log_that_nobody_reads",
            panics_do_not_wait_for_a_log_that_nobody_reads,
        ),
        (
            "a_blocking_call_does_not_keep_a_site_from_stopping",
            a_blocking_call_does_not_keep_a_site_from_stopping,
        ),
    ];
    own_program::run(&tests)
}

fn site() -> App {
    let settings = Settings::default()
        .with("ADDRESS", "127.0.0.1:0")
        .with("SHUTDOWN_TIMEOUT", 1);
    App::new(settings).urls([
        path("/panic", async |_request: Request| -> &'static str {
            panic!("as it has to")
        }),
        path("/block", block),
    ])
}

async fn block(_request: Request) -> Result<&'static str> {
    tokio::task::spawn_blocking(|| {
        eprintln!("blocking");
        std::thread::sleep(Duration::from_secs(600));
    })
    .await?;
    Ok("at last")
}

/// Each message has a backtrace of some kilobytes: the pipe is full after a few.
fn panics_do_not_wait_for_a_log_that_nobody_reads() {
    let mut server = Server::start_with("", &[("RUST_BACKTRACE", "1")]);
    for count in 0..100 {
        let mut visitor = server.visitor();
        visitor.ask("/panic");
        let (status, answer) = visitor.answer();
        assert_eq!(status, 500, "{count}: {answer}");
    }
    let message = server.line_with("panicked at ");
    assert!(message.contains("troubled_views.rs:"), "{message}");
    server.stop();
    server.ends_well();
}

fn a_blocking_call_does_not_keep_a_site_from_stopping() {
    let mut server = Server::start("");
    let mut asking = server.visitor();
    asking.ask("/block");
    server.line_with("blocking");
    server.stop();
    server.ends_well();
}
