//! A site whose views panic and block. It is a program of its own: this one, started once more.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use duck::{App, Request, Result, Settings, path};
use rustix::process::{Pid, Signal, kill_process};

#[path = "own_program/mod.rs"]
mod own_program;

const IS_SITE: &str = "TROUBLED_SITE";

fn main() -> ExitCode {
    if env::var_os(IS_SITE).is_some() {
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

/// The running site, with the end of the pipe that it writes its log to.
struct Server {
    process: Child,
    log: BufReader<Box<dyn Read>>,
    address: SocketAddr,
}

impl Server {
    fn start() -> Self {
        let program = env::current_exe().expect("a test knows its program");
        let mut command = Command::new(program);
        command
            .arg("run")
            .env(IS_SITE, "1")
            .env("RUST_BACKTRACE", "1")
            .stderr(Stdio::piped());
        let mut process = command.spawn().expect("the program starts");
        let log = process.stderr.take().expect("its log is piped");
        let mut server = Self {
            process,
            log: BufReader::new(Box::new(log)),
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
        };
        let line = server.line_with("http://");
        let address = line.split("http://").nth(1).expect("the banner has it");
        let address = address.split(' ').next().expect("a word");
        server.address = address.trim().parse().expect("an address");
        server
    }

    fn line_with(&mut self, text: &str) -> String {
        let mut lines = self.log.by_ref().lines();
        lines
            .find_map(|line| line.ok().filter(|line| line.contains(text)))
            .expect("the log has such a line")
    }

    fn ask(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("not zero");
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        stream
    }

    fn stop(&self) {
        let id = i32::try_from(self.process.id()).expect("ids are small");
        let id = Pid::from_raw(id).expect("not zero");
        kill_process(id, Signal::TERM).expect("it runs");
    }

    /// The exit code, if it ends in this time.
    fn ends_within(&mut self, time: Duration) -> Option<i32> {
        let start = Instant::now();
        while start.elapsed() < time {
            if let Some(status) = self.process.try_wait().expect("it is ours") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Each message has a backtrace of some kilobytes: the pipe is full after a few.
fn panics_do_not_wait_for_a_log_that_nobody_reads() {
    let mut server = Server::start();
    for count in 0..100 {
        let mut answer = String::new();
        let read = server.ask("/panic").read_to_string(&mut answer);
        assert!(read.is_ok(), "{count}: {read:?}");
        assert!(answer.starts_with("HTTP/1.1 500 "), "{count}: {answer}");
    }
    let message = server.line_with("panicked at ");
    assert!(message.contains("troubled_views.rs:"), "{message}");
    server.stop();
    assert_eq!(server.ends_within(Duration::from_secs(30)), Some(0));
}

fn a_blocking_call_does_not_keep_a_site_from_stopping() {
    let mut server = Server::start();
    let _asking = server.ask("/block");
    server.line_with("blocking");
    server.stop();
    assert_eq!(server.ends_within(Duration::from_secs(60)), Some(0));
}
