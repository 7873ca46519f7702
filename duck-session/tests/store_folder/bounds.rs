//! What gives way when the store is full.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use duck::session::SessionError;
use duck_session::store::{KeyAsFolderCache, SessionStore};

use crate::disk::Disk;
use crate::site::*;

impl Site {
    /// A store that keeps so many sessions.
    async fn bounded(&self, sessions: usize) -> KeyAsFolderCache {
        self.reopen().await.max_sessions(sessions)
    }

    /// Has a session look as if it was written so long ago.
    fn age(&self, number: u64, seconds: u64) {
        let file = File::options()
            .write(true)
            .open(self.record(key(number)))
            .unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds))
            .unwrap();
    }
}

fn is_full(error: &duck::Error) -> bool {
    matches!(error.downcast_ref(), Some(SessionError::Full))
}

async fn stored(store: &KeyAsFolderCache, numbers: std::ops::Range<u64>) -> Vec<u64> {
    let mut stored = Vec::new();
    for number in numbers {
        if store.load(&key(number)).await.unwrap().is_some() {
            stored.push(number);
        }
    }
    stored
}

/// Those whose cookie never came back, then the others; of each the oldest; never one with a user.
#[tokio::test]
async fn the_oldest_whose_cookie_never_came_back_gives_way_first() {
    let site = Site::new().await;
    let store = site.bounded(6).await;
    for number in 0..6 {
        let new = match number {
            0 | 1 => with_user(key(number), user(1)),
            _ => session(key(number), "new"),
        };
        create(&store, &new, Crash).await;
    }
    for number in [2, 3] {
        save(&store, key(number), "came back", Crash).await;
    }
    for (number, seconds) in [(0, 900), (1, 800), (2, 600), (3, 700), (4, 400), (5, 500)] {
        site.age(number, seconds);
    }
    let mut expected = vec![0, 1, 2, 3, 4, 5];
    for (new, gone) in [(6, 5), (7, 4), (8, 6), (9, 7)] {
        create(&store, &session(key(new), "new"), Crash).await;
        expected.retain(|number| *number != gone);
        expected.push(new);
        assert_eq!(stored(&store, 0..20).await, expected, "after {new}");
    }
    // None is left but those who came back.
    for number in [8, 9] {
        assert!(store.remove(&key(number), None, Crash).await.unwrap());
        create(&store, &with_user(key(number + 10), user(2)), Crash).await;
    }
    create(&store, &session(key(30), "new"), Crash).await;
    assert_eq!(stored(&store, 0..40).await, [0, 1, 2, 18, 19, 30]);
}

#[tokio::test]
async fn where_all_have_users_a_session_without_one_is_refused_and_one_with_a_user_is_stored() {
    let site = Site::new().await;
    let store = site.bounded(3).await;
    for number in 0..3 {
        create(&store, &with_user(key(number), user(1)), Crash).await;
    }
    for durability in [Crash, PowerCut] {
        let error = store
            .create(&session(KEY, "new"), durability)
            .await
            .unwrap_err();
        assert!(is_full(&error), "{error}");
    }
    assert_eq!(site.text().await, None);
    for number in 3..6 {
        create(&store, &with_user(key(number), user(1)), Crash).await;
    }
    assert_eq!(stored(&store, 0..6).await.len(), 6);
    // What is there may be saved, and what goes makes room.
    save(&store, key(0), "saved", Crash).await;
    for number in 0..4 {
        assert!(store.remove(&key(number), None, Crash).await.unwrap());
    }
    create(&store, &session(KEY, "new"), Crash).await;
}

/// A candidate that came back, or got a user, since it was found is none any more.
#[tokio::test]
async fn a_session_that_was_written_since_it_was_found_stays() {
    let site = Site::new().await;
    let store = site.bounded(10).await;
    for number in 0..11 {
        create(&store, &session(key(number), "new"), Crash).await;
    }
    // All others were found when the eleventh made the first give way.
    for number in 1..10 {
        let before = store.load(&key(number)).await.unwrap().unwrap();
        let version = before.version().next();
        let theirs = duck_session::store::StoredSession::new(
            key(number),
            version,
            Some(user(1)),
            LATER,
            "x",
        );
        replace(&store, before.version(), &theirs, Crash).await;
    }
    for number in 11..15 {
        create(&store, &session(key(number), "new"), Crash).await;
        assert_eq!(stored(&store, 1..10).await.len(), 9);
        assert_eq!(stored(&store, 10..20).await, [number]);
    }
}

/// Visitors without cookies, as many as they like, and one who logs in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_stops_at_the_bound_while_a_login_is_stored() {
    let site = Site::new().await;
    let store = site.bounded(200).await;
    let other = site.bounded(200).await;
    create(&store, &with_user(KEY, user(1)), PowerCut).await;
    let flood = |store: KeyAsFolderCache, start: u64| {
        tokio::spawn(async move {
            for number in start..start + 1000 {
                create(&store, &session(key(number), "bot"), Crash).await;
            }
        })
    };
    let floods = [
        flood(store.clone(), 0),
        flood(store.clone(), 10_000),
        flood(other, 20_000),
    ];
    for flood in floods {
        flood.await.unwrap();
    }
    let kept = files(&site.dir())
        .iter()
        .filter(|path| path.ends_with("record"))
        .count();
    assert!(
        (100..=460).contains(&kept),
        "{kept} are kept of 3000, by two stores of 200"
    );
    assert!(store.load(&KEY).await.unwrap().is_some());
    create(&store, &with_user(key(50_000), user(2)), PowerCut).await;
}

/// Of what was there before it was opened, and of what another process makes.
#[tokio::test]
async fn sessions_of_other_processes_count() {
    let site = Site::new().await;
    for number in 0..50 {
        create(&site.store, &with_user(key(number), user(1)), Crash).await;
    }
    let store = site.bounded(50).await;
    assert!(is_full(
        &store.create(&session(KEY, "new"), Crash).await.unwrap_err()
    ));
    let store = site.bounded(51).await;
    // In the same bucket as the one that comes.
    let mut near = *KEY.as_bytes();
    near[15] ^= 1;
    let near = duck_session::store::SessionKey::from_bytes(near);
    create(&site.store, &with_user(near, user(1)), Crash).await;
    assert!(is_full(
        &store.create(&session(KEY, "new"), Crash).await.unwrap_err()
    ));
}

#[tokio::test]
async fn a_bound_of_free_space_stops_a_flood_before_the_disk_is_full() {
    for (options, bound) in [("size=2m", "bytes"), ("size=100m,nr_inodes=1000", "inodes")] {
        let Some(disk) = Disk::mount(options) else {
            return;
        };
        let store = KeyAsFolderCache::open(disk.dir())
            .await
            .unwrap()
            .min_free(30);
        create(&store, &with_user(KEY, user(1)), Crash).await;
        for number in 0..1500 {
            create(&store, &session(key(number), "bot"), Crash).await;
        }
        let kept = files(&disk.dir())
            .iter()
            .filter(|path| path.ends_with("record"))
            .count();
        assert!((50..1000).contains(&kept), "{bound}: {kept}");
        let free = rustix::fs::statvfs(disk.dir().as_path()).unwrap();
        let left = [
            free.f_bavail * 100 / free.f_blocks,
            free.f_favail * 100 / free.f_files,
        ];
        assert!(
            left.iter().all(|left| *left >= 28),
            "{bound}: {left:?} percent are left"
        );
        assert!(store.load(&KEY).await.unwrap().is_some());
        create(&store, &with_user(key(9999), user(2)), PowerCut).await;
        // Taken by somebody else: a login still works, and a visitor takes the place of another one.
        if bound == "bytes" {
            disk.take(usize::try_from(free.f_bavail * free.f_bsize).unwrap() - 60_000);
            create(&store, &with_user(key(9998), user(2)), Crash).await;
            create(&store, &session(key(9997), "new"), Crash).await;
            for entry in (0..1500).chain([9997]) {
                store.remove(&key(entry), None, Crash).await.unwrap();
            }
            let free = rustix::fs::statvfs(disk.dir().as_path()).unwrap();
            let more = usize::try_from(free.f_bavail * free.f_bsize).unwrap() - 300_000;
            fs::write(disk.dir().with_file_name("more"), vec![0; more]).unwrap();
            let error = store
                .create(&session(key(9996), "new"), Crash)
                .await
                .unwrap_err();
            assert!(is_full(&error), "{error}");
        }
    }
}
