//! `duck run` on a small stand-in for a site: it takes the socket as a site does, and says which
//! build it is. What is proven here is the hand-over, not the framework.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::environment::{Environment, closed_pipe};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// Long enough for a small build on a machine that has other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

const MANIFEST: &str = r#"
[package]
name = "stand-in"
version = "0.0.0"
edition = "2024"
[dependencies]
duck = { package = "listenfd", version = "1" }
[workspace]
"#;

/// Answers each connection with its edition and its process id, and ends at SIGTERM.
const MAIN: &str = r#"
use std::io::{Read, Write};
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args != ["run"] {
        println!("asked {args:?} in {}", std::env::current_dir().unwrap().display());
        std::process::exit(3);
    }
    let listener = duck::ListenFd::from_env().take_tcp_listener(0).unwrap().unwrap();
    let edition = "EDITION";
    eprintln!("  a greeting\n12:00:00 a warning");
    eprintln!("  Serving {}", std::env::var("DUCK_ADDRESS").unwrap());
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 64]);
        let _ = writeln!(stream, "{edition} {}", std::process::id());
    }
}
"#;

/// Leaves its process id, and goes on for a minute.
pub(crate) const BUILD_THAT_TAKES_LONG: &str = r#"
fn main() {
    std::fs::write("build-script.new", std::process::id().to_string()).unwrap();
    std::fs::rename("build-script.new", "build-script").unwrap();
    std::thread::sleep(std::time::Duration::from_secs(60));
}
"#;

/// Serves, and cannot be asked to stop.
const MAIN_THAT_STAYS: &str = r#"
use std::os::unix::process::CommandExt;
fn main() {
    let script = "trap '' TERM; echo $$ > id.new; mv id.new id; echo '  Serving' >&2; exec sleep 60";
    panic!("{}", std::process::Command::new("sh").args(["-c", script]).exec());
}
"#;

pub(crate) struct Running {
    duck: Child,
    lines: Receiver<String>,
    pub(crate) address: SocketAddr,
}

impl Running {
    pub(crate) fn start(environment: &Environment, args: &[&str]) -> Self {
        let (mut command, address) = run_command(environment);
        command.args(args).process_group(0);
        let mut duck = command.stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let err = BufReader::new(duck.stderr.take().unwrap());
        thread::spawn(move || {
            err.lines()
                .map_while(Result::ok)
                .all(|line| sender.send(line).is_ok())
        });
        Self {
            duck,
            lines,
            address,
        }
    }

    /// Waits for a line that contains `text`.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> String {
        let mut said = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            if line.contains(text) {
                return line;
            }
            said.push(line);
        }
        panic!("no `{text}` in {said:#?}");
    }

    /// What the site answers, and its process.
    pub(crate) fn ask(&self) -> (String, Pid) {
        ask(self.address).unwrap()
    }

    /// What is answered once the process `before` has gone: until then, either may answer.
    fn ask_after(&self, before: Pid) -> (String, Pid) {
        let since = Instant::now();
        while is_running(before) && since.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
        self.ask()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.duck), signal).unwrap();
    }

    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.duck.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed: SIGTERM lets `duck` take its site along.
        if self.duck.try_wait().unwrap().is_none() {
            let _ = kill_process(Pid::from_child(&self.duck), Signal::TERM);
            let _ = self.duck.wait();
        }
    }
}

/// `duck run` in the site, at an address of its own.
fn run_command(environment: &Environment) -> (Command, SocketAddr) {
    let address = free_address();
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = environment.command(&["run", "--host", &host, "--port", &port]);
    command.current_dir(environment.path("site"));
    (command, address)
}

/// An address that stays free until `duck` takes it, and when it has left: no other test uses the
/// host. Linux has 16 million loopback addresses; where there is one only, the port has to do.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let host = Ipv4Addr::new(127, high | 128, low, NEXT.fetch_add(1, Ordering::Relaxed));
    let free = TcpListener::bind((host, 0)).or_else(|_| TcpListener::bind("127.0.0.1:0"));
    free.unwrap().local_addr().unwrap()
}

fn ask(address: SocketAddr) -> std::io::Result<(String, Pid)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"?")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let site = answer.trim().split_once(' ').and_then(|(edition, id)| {
        let id = Pid::from_raw(id.parse().ok()?)?;
        Some((edition.to_owned(), id))
    });
    Ok(site.ok_or(std::io::ErrorKind::UnexpectedEof)?)
}

/// Connects without pause, to see whether it is refused. (The stand-in drops what it has accepted when
/// it ends, so only the connections count here.)
struct Visitor {
    enough: Arc<AtomicBool>,
    visits: JoinHandle<Vec<bool>>,
}

impl Visitor {
    fn start(address: SocketAddr) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&enough);
        let visits = thread::spawn(move || {
            let visits = std::iter::from_fn(|| Some(ask_once(address)));
            visits
                .take_while(|_| !until.load(Ordering::Relaxed))
                .collect()
        });
        Self { enough, visits }
    }

    #[track_caller]
    fn was_never_refused(self) {
        self.enough.store(true, Ordering::Relaxed);
        let visits = self.visits.join().unwrap();
        assert!(visits.len() > 10, "{}", visits.len());
        assert!(visits.iter().all(|connected| *connected));
    }
}

fn ask_once(address: SocketAddr) -> bool {
    thread::sleep(Duration::from_millis(1));
    TcpStream::connect(address).is_ok()
}

fn is_running(process: Pid) -> bool {
    test_kill_process(process).is_ok()
}

pub(crate) fn site() -> Environment {
    let environment = Environment::new();
    environment.write("site/Cargo.toml", MANIFEST);
    edit(&environment, "first");
    environment.write("site/settings.toml", "DEBUG = true\n");
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
    fs::copy(lock, environment.path("site/Cargo.lock")).unwrap();
    environment
}

pub(crate) fn edit(environment: &Environment, edition: &str) {
    environment.write("site/src/main.rs", &MAIN.replace("EDITION", edition));
}

#[test]
fn an_edit_is_served_without_closing_the_port() {
    let environment = site();
    let running = Running::start(&environment, &[]);
    running.says("12:00:00 a warning");
    let address = running.address;
    assert!(running.says("Serving").contains(&address.to_string()));
    let (edition, first) = running.ask();
    assert_eq!(edition, "first");

    let visitor = Visitor::start(address);
    edit(&environment, "second");
    running.says("Changed  src/main.rs");
    running.says("Compiled");
    running.says("Reloaded");
    let (edition, second) = running.ask_after(first);
    assert_eq!(edition, "second");
    visitor.was_never_refused();
    assert_ne!(first, second);

    assert_eq!(running.stop().code(), Some(0));
    assert!(!is_running(first) && !is_running(second));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_build_that_fails_leaves_the_last_good_one_answering() {
    let environment = site();
    let running = Running::start(&environment, &[]);
    running.says("Serving");
    environment.write("site/src/main.rs", "fn main() { notess }");
    running.says("cannot find value `notess`");
    running.says("the last good build still answers");
    assert_eq!(running.ask().0, "first");

    environment.write(
        "site/src/main.rs",
        r#"fn main() { eprintln!("  why not"); std::process::exit(7) }"#,
    );
    let quoted = running.says("why not");
    assert_eq!(quoted, "  why not");
    running.says("stand-in ended at its start, with exit status: 7");
    running.says("the last good build still answers");
    let (edition, first) = running.ask();
    assert_eq!(edition, "first");

    edit(&environment, "mended");
    running.says("Reloaded");
    assert_eq!(running.ask_after(first).0, "mended");
}

#[test]
fn settings_are_read_again_without_a_build() {
    let environment = site();
    let running = Running::start(&environment, &[]);
    running.says("Serving");
    let (_, before) = running.ask();
    environment.write("site/settings.toml", "DEBUG = false\n");
    running.says("Changed  settings.toml");
    let next = running.lines.iter().take(2).collect::<Vec<_>>();
    assert!(
        next[0].contains("a warning") && next[1].contains("Reloaded"),
        "{next:?}"
    );
    assert_ne!(running.ask_after(before).1, before);
}

#[test]
fn settings_above_the_site_are_followed() {
    let environment = site();
    fs::rename(
        environment.path("site/settings.toml"),
        environment.path("settings.toml"),
    )
    .unwrap();
    let running = Running::start(&environment, &[]);
    running.says("Serving");
    environment.write("settings.toml", "DEBUG = false\n");
    running.says("Reloaded");
}

#[test]
fn stopping_ends_a_build_under_way() {
    let environment = site();
    environment.write("site/build.rs", BUILD_THAT_TAKES_LONG);
    let running = Running::start(&environment, &[]);
    let marker = environment.path("site/build-script");
    let mut script = None;
    while script.is_none() {
        thread::sleep(Duration::from_millis(5));
        script = fs::read_to_string(&marker)
            .ok()
            .and_then(|id| id.parse().ok())
            .and_then(Pid::from_raw);
    }
    assert_eq!(running.stop().code(), Some(0));
    ends(script.unwrap());
}

/// It was told to end; that it has is seen a moment later.
#[track_caller]
fn ends(process: Pid) {
    let since = Instant::now();
    while is_running(process) && since.elapsed() < Duration::from_secs(30) {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(!is_running(process));
}

#[test]
fn a_second_interrupt_ends_all_at_once() {
    let environment = site();
    environment.write("site/src/main.rs", MAIN_THAT_STAYS);
    let mut running = Running::start(&environment, &[]);
    running.says("Serving");
    let id = fs::read_to_string(environment.path("site/id")).unwrap();
    let site = Pid::from_raw(id.trim().parse().unwrap()).unwrap();
    running.signal(Signal::TERM);
    // Nothing tells that the first signal was received: until it is, another one is the first.
    while running.duck.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(50));
        running.signal(Signal::INT);
    }
    assert_eq!(running.duck.wait().unwrap().code(), Some(130));
    ends(site);
    assert!(TcpStream::connect(running.address).is_err());
}

#[test]
fn a_site_is_served_where_nobody_reads_what_is_said() {
    let environment = site();
    let (mut command, address) = run_command(&environment);
    let mut duck = command.stderr(closed_pipe()).spawn().unwrap();
    let since = Instant::now();
    let answer = loop {
        match ask(address) {
            Err(_) if since.elapsed() < PATIENCE && duck.try_wait().unwrap().is_none() => {
                thread::sleep(Duration::from_millis(20));
            }
            answer => break answer,
        }
    };
    kill_process(Pid::from_child(&duck), Signal::TERM).unwrap();
    assert_eq!(duck.wait().unwrap().code(), Some(0));
    assert_eq!(answer.unwrap().0, "first");
}

#[test]
fn without_reload_a_failure_is_the_end() {
    let environment = site();
    environment.write("site/src/main.rs", "fn main() { notess }");
    let mut running = Running::start(&environment, &["--no-reload"]);
    running.says("cannot find value `notess`");
    running.says("error: stand-in does not compile");
    assert_eq!(running.duck.wait().unwrap().code(), Some(1));
}

#[test]
fn a_taken_port_is_said_before_anything_is_built() {
    let environment = site();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = environment.command(&["run", "--port", &port]);
    let output = command
        .current_dir(environment.path("site"))
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(
        err.contains(&format!(
            "port {port} is used by another program; try `duck run --port "
        )),
        "{err}"
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(!environment.path("target").exists());
}

#[test]
fn other_commands_are_asked_of_the_site() {
    let environment = site();
    fs::create_dir(environment.path("site/static")).unwrap();
    let mut command: Command = environment.command(&["sessions", "list", "--help", "--", "-x"]);
    let output = command
        .current_dir(environment.path("site/static"))
        .output()
        .unwrap();
    let root = environment.path("site").canonicalize().unwrap();
    let expected = format!(
        "asked [\"sessions\", \"list\", \"--help\", \"--\", \"-x\"] in {}\n",
        root.display()
    );
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    assert_eq!(output.status.code(), Some(3));
}
