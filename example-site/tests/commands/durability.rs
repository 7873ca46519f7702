//! `SESSION_FSYNC`: which writes wait for the disk, as the kernel sees it. Rule F7.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::disk::PowerDisk;
use crate::site::{Server, Site, Visitor};

const LOG: &str = "calls";

/// Whether system calls can be watched here. In CI they have to be.
pub(crate) fn can_trace() -> bool {
    let mut strace = Command::new("strace");
    let works = strace.arg("true").stderr(Stdio::null()).status();
    let works = works.is_ok_and(|status| status.success());
    if !works {
        assert!(
            std::env::var_os("CI").is_none(),
            "strace is missing, or not allowed here"
        );
        eprintln!("SKIPPED: without strace nobody sees what waits for the disk");
    }
    works
}

/// How often a server waits for the disk while it is asked something, from its start to its end.
fn syncs(site: &Site, visitor: &mut Visitor, ask: impl Fn(&mut Visitor, &Server)) -> usize {
    let server = site.serve_traced("trace=fsync,fdatasync", LOG);
    ask(visitor, &server);
    drop(server);
    let log = site.path(LOG);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let calls = fs::read_to_string(&log).unwrap();
        if calls.contains("killed by SIGKILL") {
            fs::remove_file(log).unwrap();
            return calls.matches("sync(").count();
        }
        assert!(
            Instant::now() < deadline,
            "the tracer does not end: {calls}"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn writes_wait_for_the_disk_as_the_settings_say() {
    if !can_trace() {
        return;
    }
    // Data, a login, a logout: whether each waits.
    for (policy, waits) in [
        ("none", [false, false, false]),
        ("security", [false, true, true]),
        ("all", [true, true, true]),
    ] {
        let mut site = Site::new();
        site.set("SESSION_FSYNC", policy);
        let mut visitor = Visitor::default();
        // Makes the folder and the database.
        syncs(&site, &mut visitor, |_, server| server.sign_up("ada"));
        let idle = syncs(&site, &mut visitor, |_, _| {});
        let data = syncs(&site, &mut visitor, Visitor::come);
        let login = syncs(&site, &mut visitor, |visitor, server| {
            visitor.log_in(server, "ada");
        });
        let logout = syncs(&site, &mut visitor, Visitor::log_out);
        let waited = [data, login, logout].map(|count| count > idle);
        assert_eq!(
            waited, waits,
            "{policy}: {idle}, then {data} {login} {logout}"
        );
    }
}

/// What the settings say was on the disk is there when the power is back, and no logout is undone.
#[test]
fn a_power_cut_undoes_no_more_than_the_settings_say() {
    let Some(mut disk) = PowerDisk::mount() else {
        return;
    };
    for (storage, policy) in [
        ("KeyAsFolderCache", "security"),
        ("KeyAsFolderCache", "all"),
        ("DynamicFileCache", "security"),
        ("DynamicFileCache", "all"),
    ] {
        let mut site = Site::new();
        let dir = disk.dir().join(storage).join(policy);
        site.set("SESSION_DIR", dir.to_str().unwrap());
        site.set("SESSION_STORAGE", storage);
        site.set("SESSION_FSYNC", policy);
        let server = site.serve();
        let (mut guest, mut eve) = (Visitor::default(), server.user("eve"));
        disk.sync();
        guest.come(&server);
        let mut ada = server.user("ada");
        let mut thief = eve.clone();
        eve.log_out(&server);
        disk.cut();
        drop(server);
        disk.restart();

        let server = site.serve();
        let name = format!("{storage}, {policy}");
        assert_eq!(ada.me(&server).0.as_deref(), Some("ada"), "{name}");
        assert_eq!(thief.me(&server).0, None, "{name}: a logout was undone");
        if policy == "all" {
            assert_eq!(guest.me(&server).1, 1, "{name}");
        }
        drop(server);
    }
}
