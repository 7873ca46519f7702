//! Standard output and standard error that are closed, full, or read by nobody.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::thread;

use rustix::process::Signal;

use crate::site::{Server, Site, wait_until};

/// A site that logs each request.
fn talkative() -> Site {
    let mut site = Site::new();
    site.set_toml("ACCESS_LOG", "true");
    site
}

/// The end of a pipe that nobody reads any more.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    OwnedFd::from(writer).into()
}

/// Asks so often for a page, on one connection. Returns how often an answer came.
fn ask(server: &Server, times: usize) -> usize {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let answers = BufReader::new(stream.try_clone().unwrap());
    let asking = thread::spawn(move || {
        let request = "GET /none HTTP/1.1\r\nhost: x\r\n\r\n";
        let last = "GET /none HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let requests = request.repeat(times - 1) + last;
        stream.write_all(requests.as_bytes()).unwrap();
    });
    let lines = answers.lines().map_while(Result::ok);
    let came = lines
        .filter(|line| line.starts_with("HTTP/1.1 404"))
        .count();
    asking.join().unwrap();
    came
}

/// How many of those requests a log tells of, and how many lines it says are missing.
fn count(log: impl Read) -> (usize, usize) {
    let (mut found, mut dropped) = (0, 0);
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        if line.contains("GET /none 404") {
            found += 1;
        } else if let Some((before, _)) = line.split_once(" lines of the log were dropped") {
            let number = before.rsplit(' ').next().unwrap();
            dropped += number.parse::<usize>().unwrap();
        }
    }
    (found, dropped)
}

fn stop(mut server: Server) {
    server.signal(Signal::TERM);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn a_site_whose_log_cannot_be_written_serves() {
    let site = talkative();
    let mut servers = vec![site.serve_from_shell(r#"exec "$0" run"#, closed_pipe())];
    for line in [
        r#"exec "$0" run 2>/dev/full"#,
        r#"exec "$0" run 2>&-"#,
        r#"exec "$0" run >&- 2>&-"#,
        r#"exec "$0" run >/dev/full 2>&1"#,
    ] {
        servers.push(site.serve_from_shell(line, Stdio::null()));
    }
    for server in servers {
        let mut ada = server.user("ada");
        for visits in 0..5 {
            assert_eq!(ada.me(&server), (Some("ada".to_owned()), visits));
            ada.come(&server);
        }
        stop(server);
    }
}

#[test]
fn a_log_that_nobody_reads_stops_no_page_and_counts_what_it_drops() {
    let site = talkative();
    let mut server = site.serve_from_shell(r#"exec "$0" run"#, Stdio::piped());
    let asked = 40_000;
    assert_eq!(ask(&server, asked), asked);
    // Now somebody does read.
    let log = server.stderr();
    server.signal(Signal::TERM);
    let (found, dropped) = count(log);
    assert!(found > 5_000 && dropped > 5_000, "{found} {dropped}");
    assert_eq!(found + dropped, asked);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_a_site_from_stopping() {
    let (unread, writer) = std::io::pipe().unwrap();
    let stderr = OwnedFd::from(writer).into();
    let site = talkative();
    let server = site.serve_from_shell(r#"exec "$0" run"#, stderr);
    assert_eq!(ask(&server, 5_000), 5_000);
    stop(server);
    drop(unread);
}

/// The pipe is full when the site has nothing left to do but to write its log.
#[test]
fn no_line_is_lost_at_a_normal_stop() {
    let site = talkative();
    let mut server = site.serve_from_shell(r#"exec "$0" run"#, Stdio::piped());
    assert_eq!(ask(&server, 5_000), 5_000);
    let log = server.stderr();
    server.signal(Signal::TERM);
    wait_until(|| TcpStream::connect(server.address()).is_err());
    assert_eq!(count(log), (5_000, 0));
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn a_rust_log_that_cannot_be_followed_is_said_and_the_log_is_as_without_it() {
    let site = Site::new();
    let said = |wanted: &str| {
        let mut shell = site.shell(r#"exec "$0" check"#);
        let output = shell.env("RUST_LOG", wanted).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    for wrong in ["duck=loud", "duck[request]=debug"] {
        let log = said(wrong);
        assert!(log.contains("WARN RUST_LOG is not followed: "), "{log}");
    }
    assert_eq!(said("off"), "");
}

/// What a site's own program says, and to whom.
#[test]
fn commands_whose_reader_has_gone_end_quietly() {
    let mut site = Site::new();
    site.set_toml("DEBUG", "true");
    for command in [
        "routes",
        "routes --json",
        "secret",
        "check",
        "--help",
        "sessions --help",
        "sessions list",
        "sessions",
        "migrate",
        "tasks",
        "routes --help",
    ] {
        let mut shell = site.shell(&format!(r#"exec "$0" {command}"#));
        let output = shell.stdout(closed_pipe()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), said.as_str()),
            (Some(0), ""),
            "{command}"
        );

        let mut shell = site.shell(&format!(r#"exec "$0" {command} >&- 2>&-"#));
        assert_eq!(shell.status().unwrap().code(), Some(0), "{command}");
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    let site = Site::new();
    for command in [
        "routes",
        "secret",
        "check",
        "--help",
        "routes --help",
        "sessions --help",
        "sessions list",
        "sessions",
        "migrate",
        "tasks",
    ] {
        let mut shell = site.shell(&format!(r#"exec "$0" {command} >/dev/full"#));
        let output = shell.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        assert!(
            said.contains("No space left on device"),
            "{command}: {said}"
        );
        assert!(!said.contains("panicked"), "{command}: {said}");
    }
}

#[test]
fn an_error_that_nobody_hears_keeps_its_code() {
    let mut site = Site::new();
    let unheard = |site: &Site, command: &str| {
        let mut shell = site.shell(&format!(r#"exec "$0" {command} 2>/dev/full"#));
        let full = shell.status().unwrap().code();
        let mut shell = site.shell(&format!(r#"exec "$0" {command}"#));
        assert_eq!(shell.stderr(closed_pipe()).status().unwrap().code(), full);
        full
    };
    for (command, code) in [
        ("nonsense", 2),
        ("routes --nonsense", 2),
        ("sessions nonsense", 2),
        ("sessions clear", 2),
        ("sessions show 0000", 1),
        ("migrate nonsense", 2),
        ("tasks nonsense", 2),
    ] {
        assert_eq!(unheard(&site, command), Some(code), "{command}");
    }
    site.set("SESSION_STORAGE", "NoSuchCache");
    for command in ["run", "check", "routes"] {
        assert_eq!(unheard(&site, command), Some(1), "{command}");
    }
}
