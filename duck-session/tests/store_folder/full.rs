//! Disks without space and without inodes.

use std::io::ErrorKind;

use duck_session::store::{SessionStore, StoredSession};

use crate::disk::Disk;
use crate::site::*;

fn is_full(error: &duck::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>().unwrap();
    error.kind() == ErrorKind::StorageFull
}

/// As many as there is room for.
async fn fill(store: &duck_session::store::KeyAsFolderCache) -> Vec<StoredSession> {
    let mut sessions = Vec::new();
    for number in 0..1000 {
        let new = session(key(number), "begun");
        match store.create(&new, Crash).await {
            Ok(created) => assert!(created),
            Err(error) => {
                assert!(is_full(&error), "{error}");
                return sessions;
            }
        }
        sessions.push(new);
    }
    panic!("the disk never filled");
}

/// A session is saved where it is: no space is needed for that.
#[tokio::test]
async fn on_a_full_disk_sessions_are_loaded_saved_and_removed() {
    let Some(disk) = Disk::mount("size=400k") else {
        return;
    };
    let store = open(&disk.dir()).await;
    let sessions = fill(&store).await;
    assert!(sessions.len() > 10, "{}", sessions.len());
    disk.fill();
    for session in &sessions {
        for durability in [Crash, PowerCut, Crash, Crash] {
            save(&store, *session.key(), &"x".repeat(900), durability).await;
        }
        let before = store.load(session.key()).await.unwrap().unwrap();
        let large = next(&before, &"x".repeat(50_000));
        let error = store
            .replace(before.version(), &large, Crash)
            .await
            .unwrap_err();
        assert!(is_full(&error), "{error}");
        let after = store.load(session.key()).await.unwrap().unwrap();
        assert_eq!(after.version(), before.version());
    }
    let left = files(&disk.dir()).len();
    assert_eq!(left, 2 * sessions.len(), "something was left over");
    for session in &sessions {
        assert!(store.remove(session.key(), None, PowerCut).await.unwrap());
    }
    assert_eq!(files(&disk.dir()).len(), 0);
    disk.free();
    create(&store, &session(KEY, "after"), Crash).await;
}

#[tokio::test]
async fn without_inodes_nothing_is_lost_and_nothing_left() {
    let Some(disk) = Disk::mount("size=4m,nr_inodes=300") else {
        return;
    };
    let store = open(&disk.dir()).await;
    let sessions = fill(&store).await;
    assert!(sessions.len() > 5, "{}", sessions.len());
    assert_eq!(files(&disk.dir()).len(), 2 * sessions.len());
    for session in &sessions {
        save(&store, *session.key(), "saved", Crash).await;
    }
    let theirs = with_user(key(5000), user(1));
    store.create(&theirs, Crash).await.unwrap_err();
    store.remove(sessions[0].key(), None, Crash).await.unwrap();
    assert_eq!(
        text(&store, *sessions[1].key()).await.as_deref(),
        Some("saved")
    );
}
