//! The threads that a site's own program gives connections to. It is this program, started once more.

use std::collections::HashMap;
use std::env;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use duck::{App, Request, Result, Settings, blocking, path};
use tokio::runtime::Handle;

#[path = "own_program/mod.rs"]
mod own_program;
#[path = "own_program/served.rs"]
mod served;

use served::{PATIENCE, SITE, Server};

/// Has threads take over what others have to do.
const STEALS: &str = "WORK_STEALING = true";

fn main() -> ExitCode {
    if let Ok(settings) = env::var(SITE) {
        served::end_some_day();
        return site(&settings).run();
    }
    let tests: [(&str, fn()); 11] = [
        ("connections_are_spread_and_stay_on_their_threads", spread),
        (
            "a_view_that_computes_holds_up_its_own_thread_and_no_other",
            computes,
        ),
        (
            "new_connections_pass_over_a_thread_that_computes",
            passed_over,
        ),
        ("max_connections_holds_over_all_threads", max_connections),
        (
            "what_a_view_starts_does_not_wait_for_its_thread",
            starts_elsewhere,
        ),
        (
            "a_task_that_a_view_spawned_ends_with_the_site_and_holds_nothing_up",
            spawned_task,
        ),
        (
            "blocking_in_place_is_an_error_of_the_view_unless_work_is_stolen",
            in_place,
        ),
        ("streams_of_http2_stay_on_their_connections_thread", http2),
        (
            "no_connection_stays_on_a_thread_of_its_own_where_work_is_stolen",
            stealing,
        ),
        (
            "requests_under_way_on_all_threads_have_the_shutdown_timeout_together",
            stopping,
        ),
        (
            "a_view_that_blocks_its_thread_does_not_hold_the_stop",
            blocked,
        ),
    ];
    own_program::run(&tests)
}

fn site(settings: &str) -> App {
    let settings = Settings::from_toml(settings).expect("settings");
    App::new(settings.with("ADDRESS", "127.0.0.1:0")).urls([
        path("/thread", async |_: Request| name()),
        path("/hold", hold),
        path("/release", async |_: Request| {
            RELEASED.store(true, Ordering::SeqCst);
            "released"
        }),
        path("/starts", starts),
        path("/task", spawns),
        path("/blocking", async |_: Request| blocking(name).await),
        path("/in-place", async |_: Request| {
            tokio::task::block_in_place(name)
        }),
        path("/slow", async |_: Request| {
            eprintln!("slow");
            tokio::time::sleep(Duration::from_secs(600)).await;
            "at last"
        }),
    ])
}

fn name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

static RELEASED: AtomicBool = AtomicBool::new(false);

/// How long a view computes at most.
const HELD: Duration = PATIENCE;

/// Computes until somebody else asks for `/release`.
async fn hold(_request: Request) -> &'static str {
    eprintln!("it computes");
    let start = Instant::now();
    while !RELEASED.load(Ordering::SeqCst) && start.elapsed() < HELD {
        thread::sleep(Duration::from_millis(1));
    }
    "held"
}

/// Waits for a task, a timer and blocking work without leaving its thread to anybody.
async fn starts(_request: Request) -> Result<String> {
    let (tell, told) = mpsc::channel();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let blocking = tokio::task::spawn_blocking(|| "done").await;
        let _ = tell.send((name(), blocking.is_ok()));
    });
    let (ran_on, is_done) = told.recv_timeout(PATIENCE)?;
    assert!(is_done, "the blocking work fails");
    let flavor = Handle::current().runtime_flavor();
    Ok(format!("{} {ran_on} {flavor:?}", name()))
}

async fn spawns(_request: Request) -> &'static str {
    struct Dropped;

    impl Drop for Dropped {
        fn drop(&mut self) {
            eprintln!("the task is dropped");
        }
    }

    tokio::spawn(async {
        let _dropped = Dropped;
        tokio::time::sleep(Duration::from_secs(600)).await;
    });
    "spawned"
}

fn spread() {
    let server = Server::start("WORKERS = 3");
    let mut visitors: Vec<_> = (0..6).map(|_| server.visitor()).collect();
    let mut counts = HashMap::new();
    for visitor in &mut visitors {
        let name = visitor.get("/thread");
        for _ in 0..20 {
            assert_eq!(visitor.get("/thread"), name);
        }
        *counts.entry(name).or_insert(0) += 1;
    }
    let expected = ["duck-1", "duck-2", "duck-3"].map(|name| (name.to_owned(), 2));
    assert_eq!(counts, HashMap::from(expected));
}

fn computes() {
    let mut server = Server::start("WORKERS = 2");
    let (mut held, mut other) = server.two_visitors();
    held.ask("/hold");
    server.line_with("it computes");
    for _ in 0..100 {
        other.get("/thread");
        other.get("/blocking");
    }
    assert!(held.waits(), "its view computes");
    other.get("/release");
    assert_eq!(held.answer().1, "held");
}

fn passed_over() {
    let mut server = Server::start("WORKERS = 2");
    let (mut held, mut other) = server.two_visitors();
    held.ask("/hold");
    server.line_with("it computes");
    // By their numbers one of these is given to the thread that computes, which shows then that it does not come to it.
    let mut waiting = [(); 2].map(|()| server.visitor());
    for visitor in &mut waiting {
        visitor.ask("/thread");
    }
    let waiting = waiting
        .into_iter()
        .filter_map(|mut visitor| visitor.waits().then_some(visitor));
    let waiting: Vec<_> = waiting.collect();
    assert_eq!(waiting.len(), 1);
    let mut later: Vec<_> = (0..10).map(|_| server.visitor()).collect();
    let name = other.get("/thread");
    for visitor in &mut later {
        assert_eq!(visitor.get("/thread"), name);
    }
    assert!(held.waits(), "its view computes");
    other.get("/release");
    for mut visitor in waiting {
        assert_ne!(visitor.answer().1, name);
    }
    held.answer();
}

fn max_connections() {
    let server = Server::start("WORKERS = 3\nMAX_CONNECTIONS = 2");
    let (one, mut other) = server.two_visitors();
    let mut third = server.visitor();
    third.ask("/thread");
    assert!(third.waits(), "there are two");
    other.get("/thread");
    drop(one);
    assert_eq!(third.answer().0, 200);
}

fn starts_elsewhere() {
    let server = Server::start("WORKERS = 1");
    let mut visitor = server.visitor();
    let answer = visitor.get("/starts");
    let [name, ran_on, flavor] = answer.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{answer}");
    };
    assert_eq!((name, flavor), ("duck-1", "MultiThread"));
    assert!(!ran_on.starts_with("duck-"), "{ran_on}");
    assert!(!visitor.get("/blocking").starts_with("duck-"));
}

fn spawned_task() {
    for setting in ["", STEALS] {
        let mut server = Server::start(&format!("WORKERS = 2\n{setting}"));
        let mut visitor = server.visitor();
        assert_eq!(visitor.get("/task"), "spawned");
        drop(visitor);
        server.stop();
        server.line_with("the task is dropped");
        server.ends_well();
    }
}

fn in_place() {
    let server = Server::start("WORKERS = 1");
    let mut visitor = server.visitor();
    visitor.ask("/in-place");
    assert_eq!(visitor.answer().0, 500);
    assert_eq!(visitor.get("/thread"), "duck-1", "the thread lives");
    assert_eq!(server.visitor().get("/thread"), "duck-1");
    let server = Server::start(&format!("WORKERS = 1\n{STEALS}"));
    server.visitor().get("/in-place");
}

/// With curl.
fn http2() {
    let server = Server::start("WORKERS = 3");
    let mut first = server.visitor();
    let taken = first.get("/thread");
    let url = format!("http://{}/thread", server.address);
    let curl = Command::new("curl")
        .args(["--silent", "--show-error", "--http2-prior-knowledge"])
        .args(["--write-out", " %{http_version}", &url])
        .output();
    match curl {
        Ok(output) => {
            let answer = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!((&*taken, &*answer), ("duck-1", "duck-2 2"));
        }
        Err(error) => {
            let is_ci = env::var("CI").as_deref() == Ok("true");
            assert!(!is_ci, "CI has to have curl: {error}");
            eprintln!("SKIPPED: there is no curl on this machine: {error}");
        }
    }
}

fn stealing() {
    let server = Server::start(&format!("WORKERS = 2\n{STEALS}"));
    let mut visitors: Vec<_> = (0..6).map(|_| server.visitor()).collect();
    for visitor in &mut visitors {
        let name = visitor.get("/thread");
        assert!(!name.starts_with("duck-"), "{name}");
    }
}

fn stopping() {
    for setting in ["", STEALS] {
        let settings = format!("WORKERS = 2\nSHUTDOWN_TIMEOUT = 1\n{setting}");
        let mut server = Server::start(&settings);
        let mut visitors = [(); 4].map(|()| server.visitor());
        for visitor in &mut visitors {
            visitor.ask("/slow");
            server.line_with("slow");
        }
        server.stop();
        let line = server.line_with("SHUTDOWN_TIMEOUT is over");
        assert!(line.contains("left=4"), "{line}");
        server.ends_well();
    }
}

fn blocked() {
    for setting in ["", STEALS] {
        let settings = format!("WORKERS = 2\nSHUTDOWN_TIMEOUT = 1\n{setting}");
        let mut server = Server::start(&settings);
        let mut visitor = server.visitor();
        visitor.ask("/hold");
        server.line_with("it computes");
        let stopped = Instant::now();
        server.stop();
        server.ends_well();
        assert!(stopped.elapsed() < HELD / 2, "it waits for the view");
    }
}
