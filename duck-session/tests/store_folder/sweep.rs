//! Expired sessions and leftovers, in slices.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use duck_session::store::{SessionStore, StoredSession, Version};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::site::*;

fn expires_at(number: u64, expires: u64) -> StoredSession {
    StoredSession::new(key(number), Version::first(), Some(user(1)), expires, "x")
}

#[tokio::test]
async fn the_sweep_goes_on_where_it_ended() {
    let site = Site::new().await;
    for number in 0..300 {
        let expires = if number % 3 == 0 { LATER } else { 1000 };
        let session = expires_at(number, expires);
        create(&site.store, &session, Crash).await;
    }
    assert_eq!(site.store.remove_expired(999, 90).await.unwrap(), 0);
    for expected in [90, 90, 20, 0] {
        assert_eq!(site.store.remove_expired(1001, 90).await.unwrap(), expected);
    }
    assert_eq!(site.store.of_user(&user(1), 1000).await.unwrap().len(), 100);
}

#[tokio::test]
async fn one_process_sweeps_at_a_time() {
    let site = Site::new().await;
    create(&site.store, &expires_at(1, 1), Crash).await;
    let other = File::open(site.dir().join("v2/sweep.lock")).unwrap();
    other.lock().unwrap();
    assert_eq!(site.store.remove_expired(2, 10).await.unwrap(), 0);
    // Closing it is not enough: a child that another test is starting has it open too, until it runs.
    other.unlock().unwrap();
    assert_eq!(site.store.remove_expired(2, 10).await.unwrap(), 1);
}

/// As a program has it that is being started, until it runs.
#[tokio::test]
async fn a_sweep_gives_its_lock_back_although_somebody_has_the_file_open_too() {
    let site = Site::new().await;
    let mut twin = None;
    for _ in 0..100 {
        for number in 0..100 {
            let session = expires_at(number, 1);
            create(&site.store, &session, Crash).await;
        }
        let looking = LookingFor::start(site.dir().join("v2/sweep.lock")).await;
        assert_eq!(site.store.remove_expired(2, 100).await.unwrap(), 100);
        twin = looking.end().await;
        if twin.is_some() {
            break;
        }
    }
    assert!(twin.is_some(), "a sweep has the file open while it runs");
    create(&site.store, &expires_at(1, 1), Crash).await;
    assert_eq!(site.store.remove_expired(2, 100).await.unwrap(), 1);
}

/// Waits until this process opens a file, and then has what was opened too.
struct LookingFor {
    is_over: Arc<AtomicBool>,
    found: JoinHandle<Option<OwnedFd>>,
}

impl LookingFor {
    async fn start(path: PathBuf) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (begins, begun) = oneshot::channel();
        let end = is_over.clone();
        let found = spawn_blocking(move || {
            begins.send(()).unwrap();
            let own = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
            let mut found = None;
            while found.is_none() && !end.load(Ordering::Relaxed) {
                let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
                let mut its = open.filter(|it| fs::read_link(it.path()).is_ok_and(|to| to == path));
                let number = its
                    .next()
                    .and_then(|it| it.file_name().to_str()?.parse().ok());
                let twin = |number| pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).ok();
                found = number.and_then(twin);
            }
            found
        });
        begun.await.unwrap();
        Self { is_over, found }
    }

    async fn end(self) -> Option<OwnedFd> {
        self.is_over.store(true, Ordering::Relaxed);
        self.found.await.unwrap()
    }
}

/// A larger file that was never finished, and a folder in which none was ever put.
#[tokio::test]
async fn the_sweep_removes_old_leftovers_only() {
    let site = Site::new().await;
    for (minutes, stays) in [(59, true), (61, false)] {
        for name in ["record", "record.new"] {
            let path = site.record(KEY).with_file_name(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = File::create(&path).unwrap();
            let then = SystemTime::now() - Duration::from_secs(60 * minutes);
            file.set_modified(then).unwrap();
            site.store.remove_expired(1, 10).await.unwrap();
            assert_eq!(path.exists(), stays, "{name}, {minutes} minutes");
            let _ = fs::remove_file(&path);
        }
    }
    fs::create_dir_all(site.record(KEY).parent().unwrap()).unwrap();
    site.store.remove_expired(1, 10).await.unwrap();
    assert!(!site.record(KEY).parent().unwrap().exists());
}

#[tokio::test]
async fn the_sweep_removes_what_a_dead_writer_left_beside_a_session_that_lives() {
    let site = Site::new().await;
    let session = expires_at(1, LATER);
    create(&site.store, &session, Crash).await;
    let beside = site.record(key(1)).with_file_name("record.new");
    for (minutes, stays) in [(59, true), (61, false)] {
        let file = File::create(&beside).unwrap();
        let then = SystemTime::now() - Duration::from_secs(60 * minutes);
        file.set_modified(then).unwrap();
        assert_eq!(site.store.remove_expired(1, 10).await.unwrap(), 0);
        assert_eq!(beside.exists(), stays, "{minutes} minutes");
        let found = site.store.load(&key(1)).await.unwrap().unwrap();
        assert_eq!(found.bytes(), session.bytes());
    }
}
