//! A site that may open only so many files.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::site::{Server, Site, wait_until};

/// Visitors that connect and say nothing.
fn idle(server: &Server, count: usize) -> Vec<TcpStream> {
    let connect = || TcpStream::connect(server.address()).unwrap();
    std::iter::repeat_with(connect).take(count).collect()
}

/// The limits of a running server, as it set them: the soft and the hard one.
fn limits(server: &Server) -> (String, String) {
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let mut words = line.unwrap().split_whitespace().skip(3).map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap())
}

/// Asks for a page with a session on each connection, all at the same time.
fn all_have_pages(streams: &mut [TcpStream]) {
    for stream in &mut *streams {
        let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request).unwrap();
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200", "connection {number}");
    }
}

/// This is about files: on a busy machine the storage may take its time, and one address may be all visitors.
fn patient(site: &mut Site) {
    site.set_toml("SESSION_STORE_TIMEOUT", "60");
    site.set_toml("MAX_NEW_CONNECTIONS_PER_ADDRESS", "1000");
}

#[test]
fn idle_connections_leave_the_sessions_their_files() {
    for storage in ["KeyAsFolderCache", "DynamicFileCache"] {
        let mut site = Site::new();
        site.set("SESSION_STORAGE", storage);
        patient(&mut site);
        let line = r#"ulimit -n 256; exec "$0" run"#;
        let server = site.serve_from_shell(line, Stdio::null());
        let mut ada = server.user("ada");
        let mut idle = idle(&server, 306);
        // Those that came first are accepted, and the others wait.
        all_have_pages(&mut idle[..192]);
        drop(idle);
        assert_eq!(ada.me(&server), (Some("ada".to_owned()), 0), "{storage}");
    }
}

/// Each of these keeps a file open for as long as its client does not read.
#[test]
fn downloads_leave_the_sessions_their_files() {
    let mut site = Site::new();
    patient(&mut site);
    fs::create_dir(site.path("static")).unwrap();
    fs::write(site.path("static/large"), vec![0; 30_000_000]).unwrap();
    let line = r#"ulimit -n 256; exec "$0" run"#;
    let server = site.serve_from_shell(line, Stdio::null());
    let mut answers = BTreeMap::new();
    let mut downloads = idle(&server, 150);
    for stream in &mut downloads {
        let request = b"GET /static/large HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        let answer = String::from_utf8(answer.to_vec()).unwrap();
        *answers.entry(answer).or_insert(0) += 1;
    }
    all_have_pages(&mut idle(&server, 20));
    let expected = [("HTTP/1.1 200", 32), ("HTTP/1.1 503", 118)];
    assert_eq!(
        answers,
        expected
            .map(|(answer, count)| (answer.to_owned(), count))
            .into()
    );

    // What is no longer sent makes room.
    drop(downloads);
    wait_until(|| {
        let mut stream = idle(&server, 1).remove(0);
        let request = b"GET /static/large HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        &answer == b"HTTP/1.1 200"
    });
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let site = Site::new();
    let line = r#"ulimit -Sn 100; ulimit -Hn 1000; exec "$0" run"#;
    let server = site.serve_from_shell(line, Stdio::null());
    server.user("ada");
    assert_eq!(limits(&server), ("1000".to_owned(), "1000".to_owned()));
}

#[test]
fn connections_that_do_not_fit_are_told_at_the_start_and_by_check() {
    let mut site = Site::new();
    site.set_for_the_internet();
    site.set_list("ALLOWED_HOSTS", &["x"]);
    let told = |site: &Site, command: &str| {
        let mut shell = site.shell(&format!(r#"ulimit -n 1024; exec "$0" {command} 2>&1"#));
        let output = shell.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let by_default = "MAX_CONNECTIONS (not set): 10000 connections do not fit into the limit of 1024 open files; 768 do";
    let (code, text) = told(&site, "check");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&format!("! {by_default}")), "{text}");
    let (code, text) = told(&site, "check --deploy");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&format!("✗ {by_default}")), "{text}");

    site.set_toml("MAX_CONNECTIONS", "769");
    let (_, text) = told(&site, "check");
    assert!(
        text.contains("settings.toml, line 5: MAX_CONNECTIONS: 769 connections"),
        "{text}"
    );
    assert!(text.contains("LimitNOFILE=1026"), "{text}");
    let server = site.serve_from_shell(r#"ulimit -n 1024; exec "$0" run 2>log"#, Stdio::null());
    server.user("ada");
    let log = fs::read_to_string(site.path("log")).unwrap();
    assert!(
        log.contains("MAX_CONNECTIONS: 769 connections do not fit"),
        "{log}"
    );

    // The server has made it.
    let database = site.path("example-site.db");
    fs::set_permissions(database, fs::Permissions::from_mode(0o600)).unwrap();
    site.set_toml("MAX_CONNECTIONS", "768");
    for command in ["check", "check --deploy"] {
        let (code, text) = told(&site, command);
        assert!(
            code == Some(0) && !text.contains("MAX_CONNECTIONS"),
            "{text}"
        );
    }
}

/// The limit is lowered while the site runs: it has fewer descriptors than it counted on.
#[test]
fn a_site_without_a_descriptor_for_a_connection_waits_for_one_and_does_not_spin() {
    let site = Site::new();
    let server = site.serve_from_shell(r#"exec "$0" run 2>log"#, Stdio::null());
    let mut ada = server.user("ada");
    let process = Pid::from_raw(server.id().try_into().unwrap());
    let few = Rlimit {
        current: Some(3),
        ..getrlimit(Resource::Nofile)
    };
    let before = prlimit(process, Resource::Nofile, few).unwrap();

    let waiting = idle(&server, 5);
    let errors = || {
        let log = fs::read_to_string(site.path("log")).unwrap();
        log.matches("cannot accept connections").count()
    };
    wait_until(|| errors() > 0);
    let (since, spent) = (Instant::now(), processor_time(server.id()));
    wait_until(|| errors() > 2);
    // Two errors more, a second apart. A hundredth of a second is a tick.
    assert!(
        since.elapsed() > Duration::from_secs(1),
        "{:?}",
        since.elapsed()
    );
    let spent = processor_time(server.id()) - spent;
    assert!(spent < 50, "{spent} ticks in {:?}", since.elapsed());

    prlimit(process, Resource::Nofile, before).unwrap();
    drop(waiting);
    assert_eq!(ada.me(&server), (Some("ada".to_owned()), 0));
}

/// The time that a process has been running on a processor: `proc_pid_stat(5)`, in ticks.
fn processor_time(id: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let times = fields.split(' ').skip(11).take(2);
    times.map(|time| time.parse::<u64>().unwrap()).sum()
}
