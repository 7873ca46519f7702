//! Sites on disks without space and without permission to write: rule F9 of `docs/promises.md`.

use std::time::Duration;

use duck::testing::TestClient;
use duck_session::Clock;

use crate::disk::Disk;
use crate::site::{app, assert_unavailable, id, read, settings, visitor, with_id};
use crate::storage::{Storage, on_each_storage};

const HOUR: Duration = Duration::from_hours(1);

/// Visitors with sessions of five kilobytes, as many as there was room for.
async fn fill_with_sessions<S: Storage>(disk: &Disk) -> Vec<TestClient> {
    let first = visitor::<S>(&disk.dir()).await;
    let mut visitors = Vec::new();
    loop {
        let visitor = first.another();
        let response = visitor.get("/large/a/5000").await;
        if response.status() != 200 {
            assert_unavailable(&response);
            assert_eq!(visitor.cookie("session_id"), None);
            return visitors;
        }
        visitors.push(visitor);
        assert!(visitors.len() < 1000, "the disk never filled");
    }
}

/// The original lost the old session here, and said that it had saved the new one (D1).
async fn sessions_outlive_a_full_disk<S: Storage>() {
    let Some(disk) = Disk::mount("size=300k") else {
        return;
    };
    // Others take this, and give it back in the end.
    disk.take(100 << 10);
    let visitors = fill_with_sessions::<S>(&disk).await;
    assert!(visitors.len() > 2, "{} visitors", visitors.len());
    disk.fill();
    let mut values = Vec::new();
    for visitor in &visitors {
        values.push(read(visitor, "/get/a").await);
    }
    for (visitor, value) in visitors.iter().zip(&values) {
        let cookie = id(visitor);
        assert_unavailable(&visitor.get("/large/a/40000").await);
        assert_eq!(id(visitor), cookie);
        assert_eq!(read(visitor, "/get/a").await, *value);
        // Small changes may still fit. What was answered holds.
        let response = visitor.get("/login/7").await;
        let user = if response.status() == 200 {
            "7"
        } else {
            "nobody"
        };
        assert_eq!(read(visitor, "/user").await, user);
        assert_eq!(read(visitor, "/get/a").await, *value);
        assert_eq!(id(visitor) == cookie, user == "nobody");
    }
    // In another process as well: nothing of it was memory only.
    let another = visitor::<S>(&disk.dir()).await;
    assert_eq!(
        read(&with_id(&another, &id(&visitors[0])), "/get/a").await,
        values[0]
    );

    let cookies: Vec<_> = visitors.iter().map(id).collect();
    for (visitor, cookie) in visitors.iter().zip(&cookies) {
        read(visitor, "/logout").await;
        assert_eq!(read(&with_id(visitor, cookie), "/get/a").await, "nothing");
    }
    disk.free();
    let visitor = visitors[0].another();
    read(&visitor, "/large/a/20000").await;
    read(&visitor, "/login/7").await;
    assert_eq!(read(&visitor, "/user").await, "7");
}

/// A site that was stopped, and finds the disk full when it starts.
async fn a_site_starts_on_a_full_disk<S: Storage>() {
    let Some(disk) = Disk::mount("size=3m") else {
        return;
    };
    let first = visitor::<S>(&disk.dir()).await;
    read(&first, "/login/7").await;
    read(&first, "/add/n").await;
    let cookie = id(&first);
    drop(first);
    disk.fill();

    let second = with_id(&visitor::<S>(&disk.dir()).await, &cookie);
    assert_eq!(read(&second, "/user").await, "7");
    assert_eq!(read(&second, "/get/n").await, "1");
    // What was set aside for logouts may have to serve to read; the rest of it is still there.
    while second.another().get("/large/a/40000").await.status() == 200 {}
    assert_eq!(read(&second, "/user").await, "7");
    read(&second, "/logout").await;
    assert_eq!(read(&with_id(&second, &cookie), "/user").await, "nobody");
}

/// Where not even the folder fits, the site does not start, and starts when there is room.
async fn the_smallest_disk_is_an_error_until_there_is_room<S: Storage>() {
    let Some(disk) = Disk::mount("size=8k,nr_inodes=100") else {
        return;
    };
    let started = app(settings::<S>(&disk.dir()), Clock::default()).start();
    let text = started.await.map(drop).unwrap_err().chain();
    assert!(text.contains(disk.dir().to_str().unwrap()), "{text}");
    assert!(disk.remount("size=2m,nr_inodes=1000"));
    let visitor = visitor::<S>(&disk.dir()).await;
    read(&visitor, "/large/a/60000").await;
    read(&visitor, "/login/7").await;
    assert_eq!(read(&visitor, "/user").await, "7");
}

/// The end of a session could not be moved: the page is served, and the session ends when it would
/// have.
async fn a_visit_on_a_full_disk_is_a_page<S: Storage>() {
    let Some(disk) = Disk::mount("size=400k") else {
        return;
    };
    let clock = Clock::manual();
    let settings = settings::<S>(&disk.dir()).with("SESSION_IDLE_TIMEOUT", "1h");
    let visitor = TestClient::start(app(settings, clock.clone())).await;
    read(&visitor, "/large/a/5000").await;
    let value = read(&visitor, "/get/a").await;
    disk.take(100 << 10);
    // So much that the storage has nothing left that it could write over.
    while visitor.another().get("/large/b/5000").await.status() == 200 {}
    disk.fill();
    while visitor.another().get("/add/n").await.status() == 200 {}
    for _ in 0..3 {
        clock.advance(Duration::from_mins(15));
        assert_eq!(read(&visitor, "/get/a").await, value);
    }
    disk.free();
    for _ in 0..8 {
        assert_eq!(read(&visitor, "/get/a").await, value);
        clock.advance(Duration::from_mins(14));
    }
    clock.advance(HOUR);
    assert_eq!(read(&visitor, "/get/a").await, "nothing");
}

async fn a_disk_that_becomes_read_only_is_read<S: Storage>() {
    let Some(disk) = Disk::mount("size=4m") else {
        return;
    };
    let clock = Clock::manual();
    let settings = settings::<S>(&disk.dir()).with("SESSION_IDLE_TIMEOUT", "1h");
    let visitor = TestClient::start(app(settings.clone(), clock.clone())).await;
    read(&visitor, "/login/7").await;
    read(&visitor, "/add/n").await;
    if !disk.remount("ro") {
        // SQLite keeps its files open for writing, and so Linux refuses.
        assert_eq!(S::NAME, "DynamicFileCache");
        let cookie = id(&visitor);
        drop(visitor);
        assert!(disk.remount("ro"));
        let error = S::try_open(&disk.dir()).await.unwrap_err().chain();
        assert!(error.contains(disk.dir().to_str().unwrap()), "{error}");
        assert!(disk.remount("rw"));
        let visitor = TestClient::start(app(settings, clock)).await;
        assert_eq!(read(&with_id(&visitor, &cookie), "/user").await, "7");
        return;
    }
    clock.advance(Duration::from_mins(15));
    assert_eq!(read(&visitor, "/user").await, "7");
    for page in ["/add/n", "/login/8", "/logout"] {
        assert_unavailable(&visitor.get(page).await);
        assert_eq!(read(&visitor, "/user").await, "7");
    }
    assert_unavailable(&visitor.another().get("/add/n").await);
    assert!(disk.remount("rw"));
    assert_eq!(read(&visitor, "/add/n").await, "2");
    read(&visitor, "/logout").await;
    assert_eq!(read(&visitor, "/user").await, "nobody");
}

on_each_storage!(
    sessions_outlive_a_full_disk,
    a_site_starts_on_a_full_disk,
    the_smallest_disk_is_an_error_until_there_is_room,
    a_visit_on_a_full_disk_is_a_page,
    a_disk_that_becomes_read_only_is_read,
);
