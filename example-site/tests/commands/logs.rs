//! The log of all requests, in the program: its file, and what becomes of it while the site runs.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::site::{Server, Site, id_of, wait_until};

/// Without a terminal, as a service runs.
const SERVICE: &str = r#"exec setsid "$0" run"#;

fn logged() -> Site {
    let mut site = Site::new();
    site.set("ACCESS_LOG_FILE", "access.log");
    site.set("ACCESS_LOG_FORMAT", "json");
    site
}

fn serve(site: &Site) -> Server {
    let server = site.serve_from_shell(SERVICE, Stdio::piped());
    // A signal that comes before the site has asked for signals ends it.
    visit(&server, 1);
    server
}

fn visit(server: &Server, times: usize) {
    for _ in 0..times {
        crate::site::Visitor::default().me(server);
    }
}

/// The lines of a file, when it has so many.
fn lines(site: &Site, name: &str, count: usize) -> Vec<Value> {
    let read = || {
        let text = fs::read_to_string(site.path(name)).unwrap_or_default();
        let lines = text.lines().map(serde_json::from_str);
        lines.map_while(Result::ok).collect::<Vec<Value>>()
    };
    wait_until(|| read().len() >= count);
    let lines = read();
    assert_eq!(lines.len(), count, "{name}: {lines:?}");
    lines
}

/// Stops it, and gives what it said on standard error.
fn stop(mut server: Server) -> String {
    let mut log = server.stderr();
    server.signal(Signal::TERM);
    let mut said = String::new();
    log.read_to_string(&mut said).unwrap();
    assert_eq!(server.ended().code(), Some(0));
    said
}

#[test]
fn a_file_that_was_moved_away_is_followed_by_a_new_one_at_sighup() {
    let site = logged();
    let server = serve(&site);
    visit(&server, 2);
    lines(&site, "access.log", 3);
    fs::rename(site.path("access.log"), site.path("access.log.1")).unwrap();
    visit(&server, 2);
    lines(&site, "access.log.1", 5);
    server.signal(Signal::HUP);
    wait_until(|| site.path("access.log").exists());
    visit(&server, 3);
    lines(&site, "access.log", 3);
    lines(&site, "access.log.1", 5);
    let said = stop(server);
    assert!(said.contains("INFO reloaded: ACCESS_LOG_FILE\n"), "{said}");
}

#[test]
fn no_line_of_the_file_is_lost_at_a_stop() {
    let site = logged();
    let server = serve(&site);
    visit(&server, 500);
    stop(server);
    lines(&site, "access.log", 501);
}

#[test]
fn a_file_that_cannot_be_opened_anew_leaves_the_one_that_there_is() {
    let site = logged();
    let server = serve(&site);
    fs::rename(site.path("access.log"), site.path("access.log.1")).unwrap();
    fs::create_dir(site.path("access.log")).unwrap();
    server.signal(Signal::HUP);
    server.signal(Signal::HUP);
    visit(&server, 2);
    lines(&site, "access.log.1", 3);
    let said = stop(server);
    let text = "ERROR could not be reloaded, and stays as it was: ACCESS_LOG_FILE";
    assert!(said.contains(text), "{said}");
}

#[test]
fn a_disk_that_was_full_is_told_how_many_lines_it_missed_when_it_has_room() {
    let site = logged();
    symlink("/dev/full", site.path("access.log")).unwrap();
    let server = serve(&site);
    visit(&server, 20);
    fs::remove_file(site.path("access.log")).unwrap();
    server.signal(Signal::HUP);
    wait_until(|| site.path("access.log").exists());
    visit(&server, 2);
    let found = lines(&site, "access.log", 3);
    let dropped = found.iter().position(|line| line["dropped"].is_u64());
    let dropped = &found[dropped.unwrap()];
    assert_eq!(dropped["dropped"], 21, "{found:?}");
    let said = stop(server);
    let text = "ACCESS_LOG_FILE cannot be written";
    assert_eq!(
        said.matches(text).count(),
        1,
        "once, not for each line: {said}"
    );
}

#[test]
fn settings_that_count_at_the_next_start_only_are_named_at_sighup() {
    let mut site = logged();
    let server = serve(&site);
    site.set_toml("SESSION_COOKIE_AGE", "60");
    site.set("ACCESS_LOG_FILE", "other.log");
    server.signal(Signal::HUP);
    server.signal(Signal::HUP);
    visit(&server, 1);
    let said = stop(server);
    for key in ["SESSION_COOKIE_AGE", "ACCESS_LOG_FILE"] {
        let text = format!("{key}: has changed, which counts when the site is started again\n");
        assert!(said.contains(&text), "{said}");
    }
    assert!(!said.contains("SECRET_KEY"), "{said}");
    assert!(!site.path("other.log").exists());
}

#[test]
fn a_line_names_the_user_of_a_request_that_used_its_session() {
    let site = logged();
    let server = serve(&site);
    let mut ada = server.user("ada");
    ada.me(&server);
    ada.try_to(&server, "GET", "/none-of-it.txt", "");
    let log = lines(&site, "access.log", 4);
    let of = |line: &Value| (line["path"].clone(), line["user"].clone());
    let ada = Value::from(id_of("ada"));
    assert_eq!(of(&log[0]), ("/api/me".into(), Value::Null));
    assert_eq!(
        of(&log[1]),
        ("/login".into(), ada.clone()),
        "from this request on"
    );
    assert_eq!(of(&log[2]), ("/api/me".into(), ada));
    stop(server);
}
