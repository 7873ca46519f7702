//! What a site does at a signal.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::site::{KEY, Server, Site, wait_until};

const RUN: &str = r#"exec "$0" run"#;

/// The same without a terminal, wherever the tests were started.
const SERVICE: &str = r#"exec setsid "$0" run"#;

/// A terminal of a test's own. When it is dropped, it is closed.
struct Terminal(OwnedFd, String);

impl Terminal {
    fn new() -> Self {
        let terminal =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        Self(terminal, name.into_string().unwrap())
    }

    /// A line of shell by which the site runs in this terminal.
    fn run(&self) -> String {
        format!(r#"exec setsid --ctty "$0" run <{}"#, self.1)
    }

    /// Whoever sits at it leaves.
    fn close(self) {
        drop(self.0);
    }
}

/// A request that the site waits for the end of.
struct Begun(TcpStream);

impl Begun {
    fn new(server: &Server) -> Self {
        server.sign_up("ada");
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream
            .write_all(b"POST /login HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 23\r\n\r\n")
            .unwrap();
        // That it is to go on says that a view waits for it.
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self(stream)
    }

    fn gets_an_answer(mut self) {
        self.0.write_all(b"name=ada&password=quack").unwrap();
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    }
}

/// Waits until nobody can connect any more: the first signal has been received.
fn stops(server: &Server) {
    wait_until(|| TcpStream::connect(server.address()).is_err());
}

#[test]
fn the_first_signal_lets_requests_finish() {
    let site = Site::new();
    for signal in [Signal::INT, Signal::TERM] {
        let mut server = site.serve_from_shell(RUN, Stdio::null());
        let begun = Begun::new(&server);
        server.signal(signal);
        stops(&server);
        begun.gets_an_answer();
        assert_eq!(server.ended().code(), Some(0), "{signal:?}");
    }
}

#[test]
fn the_second_signal_stops_at_once() {
    let site = Site::new();
    let interrupt = (Signal::INT, 130);
    let terminate = (Signal::TERM, 143);
    for ((first, _), (second, code)) in [
        (interrupt, interrupt),
        (terminate, terminate),
        (interrupt, terminate),
        (terminate, interrupt),
    ] {
        let mut server = site.serve_from_shell(RUN, Stdio::null());
        let begun = Begun::new(&server);
        server.signal(first);
        stops(&server);
        server.signal(second);
        assert_eq!(server.ended().code(), Some(code), "{first:?} {second:?}");
        drop(begun);
    }
}

/// A shell passes SIGHUP on, and the kernel sends it as well.
#[test]
fn a_terminal_that_is_closed_stops_the_site_and_cuts_no_request_off() {
    let site = Site::new();
    let terminal = Terminal::new();
    let mut server = site.serve_from_shell(&terminal.run(), Stdio::null());
    let begun = Begun::new(&server);
    terminal.close();
    stops(&server);
    server.signal(Signal::HUP);
    server.signal(Signal::TERM);
    begun.gets_an_answer();
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn a_site_under_nohup_does_not_hear_that_the_terminal_is_closed() {
    let site = Site::new();
    let line = r#"trap "" HUP; exec "$0" run"#;
    let mut server = site.serve_from_shell(line, Stdio::null());
    let begun = Begun::new(&server);
    server.signal(Signal::HUP);
    begun.gets_an_answer();
    // Had it stopped for the first one, the second one would have ended it at once.
    let begun = Begun::new(&server);
    server.signal(Signal::TERM);
    stops(&server);
    begun.gets_an_answer();
    assert_eq!(server.ended().code(), Some(0));
}

/// A site that is starting: it waits for its key, which comes out of a pipe.
fn starting(site: &Site, run: &str) -> (Server, OwnedFd) {
    let make_pipe = "mkdir -p .duck && rm -f .duck/secret_key && mkfifo .duck/secret_key";
    let server = site.serve_from_shell(&format!("{make_pipe} && {run}"), Stdio::null());
    let pipe = site.path(".duck/secret_key");
    let mut key = None;
    wait_until(|| {
        // It can be opened once somebody waits at its other end.
        let flags = OFlags::WRONLY | OFlags::NONBLOCK;
        key = open(&pipe, flags, Mode::empty()).ok();
        key.is_some()
    });
    (server, key.unwrap())
}

#[test]
fn a_signal_during_the_start_ends_it_at_once() {
    let mut site = Site::new();
    site.unset("SECRET_KEY");
    site.set_toml("DEBUG", "true");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (mut server, _key) = starting(&site, RUN);
        server.signal(signal);
        assert_eq!(server.ended().code(), Some(code), "{signal:?}");
    }
    let terminal = Terminal::new();
    let (mut server, _key) = starting(&site, &terminal.run());
    terminal.close();
    assert_eq!(server.ended().code(), Some(129));
}

#[test]
fn a_service_reloads_at_sighup_and_goes_on() {
    let site = Site::new();
    let mut server = site.serve_from_shell(SERVICE, Stdio::null());
    for _ in 0..3 {
        let begun = Begun::new(&server);
        server.signal(Signal::HUP);
        begun.gets_an_answer();
    }
    let begun = Begun::new(&server);
    server.signal(Signal::TERM);
    stops(&server);
    begun.gets_an_answer();
    assert_eq!(server.ended().code(), Some(0));
}

/// As `logrotate` may do it just then.
#[test]
fn a_service_that_is_starting_is_not_ended_by_sighup() {
    let mut site = Site::new();
    site.unset("SECRET_KEY");
    site.set_toml("DEBUG", "true");
    site.set_list("ALLOWED_HOSTS", &["x"]);
    let (mut server, key) = starting(&site, SERVICE);
    server.signal(Signal::HUP);
    // The second one is heard only by a site that is still there.
    server.signal(Signal::HUP);
    // Each part of the site that needs the key reads the file: the next one finds a plain one.
    std::fs::write(site.path(".duck/key"), KEY).unwrap();
    std::fs::rename(site.path(".duck/key"), site.path(".duck/secret_key")).unwrap();
    std::fs::File::from(key).write_all(KEY.as_bytes()).unwrap();
    Begun::new(&server).gets_an_answer();
    server.signal(Signal::TERM);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn sigquit_and_sigpipe_are_left_alone() {
    let site = Site::new();
    let mut server = site.serve_from_shell(RUN, Stdio::null());
    Begun::new(&server).gets_an_answer();
    server.signal(Signal::PIPE);
    Begun::new(&server).gets_an_answer();
    server.signal(Signal::QUIT);
    assert_eq!(server.ended().signal(), Some(Signal::QUIT.as_raw()));
}
