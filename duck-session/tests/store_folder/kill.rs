//! Writers that are killed at random moments, ten thousand times if asked.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use duck_session::store::SessionStore;

use crate::children::child;
use crate::cut::kill_after;
use crate::site::{Site, files, now};
use crate::steps::{Stored, after, assert_users_have_theirs, read_all};

/// One store stays open all the time, as that of another worker would.
async fn kill_writers(kills: u32) {
    let site = Site::new().await;
    let (mut stored, mut next) = (Stored::default(), 1);
    for turn in 0..kills {
        let mut writer = child("writes", &site.dir(), next).spawn().unwrap();
        let steps = fastrand::u64(1..40);
        let wait = Duration::from_micros(fastrand::u64(0..3000));
        let last = kill_after(&mut writer, next + steps, wait);
        stored = (next..=last).fold(stored, after);
        // The step that was under way may have been taken too.
        let found = read_all(&site.store).await;
        if found == after(stored, last + 1) {
            (stored, next) = (found, last + 2);
        } else {
            assert_eq!(found, stored, "kill {turn}, after step {last}");
            next = last + 1;
        }
        assert_users_have_theirs(&site.store).await;
    }
    assert_eq!(read_all(&site.reopen().await).await, stored);
    nothing_is_left_over(&site, stored).await;
    assert_eq!(read_all(&site.store).await, stored);
}

/// Once all is old, there are the sessions and their entries.
async fn nothing_is_left_over(site: &Site, stored: Stored) {
    for path in files(&site.dir()).iter().filter(|path| path.is_file()) {
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(7200))
            .unwrap();
    }
    site.store.remove_expired(now(), 1000).await.unwrap();
    let records = files(&site.dir())
        .iter()
        .filter(|path| path.ends_with("record"))
        .count();
    assert_eq!(records, stored.iter().flatten().count());
    for path in files(&site.dir()) {
        if path.is_dir() {
            let count = fs::read_dir(&path).unwrap().count();
            assert!(count > 0, "{} is empty", path.display());
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(
            name.len() == 32 || name == "record",
            "{} is left",
            path.display()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_writers_leave_the_old_or_the_new() {
    kill_writers(30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes many minutes"]
async fn ten_thousand_kills() {
    kill_writers(10_000).await;
}
