//! Disks that are full, files that are damaged, folders that go away.

use std::fs;
use std::os::unix::fs::symlink;

use duck::Error;
use duck_session::store::{Durability, SessionStore};
use rusqlite::ErrorCode;

use super::disk::Disk;
use super::{
    Dir, create, grow, has, holds, key, left, next, options, remove, replace, session, sized, user,
};

/// What SQLite said, wherever in the chain it is.
fn sqlite_code(error: &Error) -> Option<ErrorCode> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error.cause());
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref::<rusqlite::Error>() {
            return error.sqlite_error_code();
        }
        next = cause.source();
    }
    None
}

#[tokio::test]
async fn a_damaged_shard_hurts_its_own_sessions_alone() {
    let dir = Dir::new();
    let store = dir.open_tiny().await;
    grow(&store, &dir, 3).await;
    for number in 0..200 {
        create(&store, &sized(number, 1000)).await;
    }
    drop(store);
    let damaged = dir.shards().remove(1);
    let (inside, outside): (Vec<_>, Vec<_>) = (0..200).partition(|it| holds(&damaged, &key(*it)));
    fs::write(&damaged, vec![0xff; 20_000]).unwrap();

    let store = dir.open_tiny().await;
    let name = damaged.file_name().unwrap().to_str().unwrap();
    for number in &inside {
        for error in [
            store.load(&key(*number)).await.unwrap_err(),
            store
                .remove(&key(*number), None, Durability::Crash)
                .await
                .unwrap_err(),
        ] {
            assert_eq!(
                sqlite_code(&error),
                Some(ErrorCode::NotADatabase),
                "{error:?}"
            );
            assert!(error.to_string().contains(name), "{error}");
            assert!(!format!("{error:?}").contains(&key(*number).to_hex()));
        }
    }
    for number in &outside {
        let old = store.load(&key(*number)).await.unwrap().unwrap();
        assert!(replace(&store, &old, &next(&old, "new")).await);
    }
    assert_eq!(store.of_user(&user(1), 10).await.unwrap().len(), 0);
    let page = store.page(None, 1000).await.unwrap();
    assert_eq!((page.sessions.len(), page.unreadable), (outside.len(), 1));
    assert!(remove(&store, &key(outside[0])).await);
    let swept = store.remove_expired(u64::MAX / 2, 1000).await.unwrap();
    assert_eq!(swept, outside.len() - 1);
    assert_eq!(store.page(None, 1000).await.unwrap().sessions.len(), 0);
    // A new session finds a place all the same, in this process and in others.
    let other = dir.open_tiny().await;
    create(&store, &session(inside[0])).await;
    create(&other, &session(inside[1])).await;
    assert_eq!(left(&store, 0..200).await.len(), 2);
    assert!(dir.names().contains(&name.replace(".sqlite", ".damaged")));
}

/// Nobody is logged out because another one's session cannot be read.
#[tokio::test]
async fn a_shard_of_which_something_can_be_read_is_not_put_aside() {
    let dir = Dir::new();
    let store = dir.open().await;
    for number in 0..200 {
        create(&store, &sized(number, 1000)).await;
    }
    drop(store);
    let shard = dir.shards().remove(0);
    let mut bytes = fs::read(&shard).unwrap();
    // A page in the middle, as after a bad write.
    let page = bytes.len() / 4096 / 2 * 4096;
    bytes[page..page + 4096].fill(0xff);
    fs::write(&shard, bytes).unwrap();
    let store = dir.open().await;
    let mut readable = 0;
    for number in 0..200 {
        readable += usize::from(store.load(&key(number)).await.is_ok_and(|it| it.is_some()));
    }
    assert!((150..200).contains(&readable), "{readable}");
    let mut failed = 0;
    for number in 1000..1200 {
        failed += usize::from(
            store
                .create(&session(number), Durability::Crash)
                .await
                .is_err(),
        );
    }
    assert!(failed < 40, "{failed}");
    assert_eq!(dir.shards(), [shard]);
}

/// All of it, and the damaged shard too.
#[tokio::test]
async fn clear_brings_a_damaged_store_back() {
    let dir = Dir::new();
    let store = dir.open().await;
    create(&store, &session(1)).await;
    drop(store);
    fs::write(&dir.shards()[0], vec![0xff; 20_000]).unwrap();
    let store = dir.open().await;
    assert!(store.load(&key(1)).await.is_err());
    SessionStore::clear(&store).await.unwrap();
    assert!(!has(&store, 1).await);
    create(&store, &session(1)).await;
}

#[tokio::test]
async fn a_removed_folder_is_an_error_until_it_is_back() {
    let dir = Dir::new();
    let store = dir.open().await;
    create(&store, &session(1)).await;
    fs::remove_dir_all(dir.path()).unwrap();
    assert!(store.create(&session(2), Durability::Crash).await.is_err());
    assert!(store.load(&key(3)).await.is_err());
    fs::create_dir(dir.path()).unwrap();
    create(&store, &session(2)).await;
    assert!(has(&store, 2).await && !has(&store, 1).await);
    assert!(has(&dir.open().await, 2).await);
}

#[tokio::test]
async fn a_shard_deleted_by_hand_is_not_written_into() {
    let dir = Dir::new();
    let store = dir.open().await;
    create(&store, &session(1)).await;
    fs::remove_file(&dir.shards()[0]).unwrap();
    create(&store, &session(2)).await;
    assert!(has(&store, 2).await);
    assert!(has(&dir.open().await, 2).await);
}

#[tokio::test]
async fn a_locked_shard_is_an_error_and_not_a_hang() {
    let dir = Dir::new();
    let store = dir.open().await;
    create(&store, &session(1)).await;
    let other = rusqlite::Connection::open(&dir.shards()[0]).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store
        .create(&session(2), Durability::Crash)
        .await
        .unwrap_err();
    assert_eq!(
        sqlite_code(&error),
        Some(ErrorCode::DatabaseBusy),
        "{error:?}"
    );
    assert!(has(&store, 1).await && !has(&store, 2).await);
    other.execute_batch("ROLLBACK").unwrap();
    create(&store, &session(2)).await;
}

#[tokio::test]
async fn a_shard_that_cannot_be_split_is_written_into() {
    let dir = Dir::new();
    let store = dir.open_tiny().await;
    let lock = fs::File::open(dir.path()).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    for number in 0..100 {
        create(&store, &sized(number, 1000)).await;
    }
    assert_eq!(dir.shards().len(), 1);
    assert_eq!(left(&store, 0..100).await.len(), 100);
}

#[tokio::test]
async fn a_planted_shard_that_leads_elsewhere_is_not_followed() {
    let (dir, elsewhere) = (Dir::new(), Dir::new());
    create(&elsewhere.open().await, &session(1)).await;
    fs::create_dir(dir.path()).unwrap();
    symlink(
        &elsewhere.shards()[0],
        dir.path().join("shard-all-00000007.sqlite"),
    )
    .unwrap();
    let store = dir.open().await;
    assert!(store.load(&key(1)).await.is_err());
    assert!(store.create(&session(2), Durability::Crash).await.is_err());
}

#[tokio::test]
async fn what_is_left_of_shards_that_are_gone_goes_at_the_next_start() {
    let dir = Dir::new();
    let store = dir.open().await;
    create(&store, &session(1)).await;
    for left in ["7.sqlite-wal", "7.sqlite-shm", "8.draft", "8.draft-wal"] {
        fs::write(dir.path().join(format!("shard-01-0000000{left}")), "left").unwrap();
    }
    fs::write(dir.path().join("notes.draft"), "not ours").unwrap();
    let other = dir.open().await;
    assert!(
        dir.names()
            .iter()
            .all(|name| !name.starts_with("shard-01-")),
        "{:?}",
        dir.names()
    );
    assert!(dir.path().join("notes.draft").exists());
    assert!(has(&store, 1).await && has(&other, 1).await);
}

#[tokio::test]
async fn on_a_full_disk_sessions_are_read_and_removed() {
    for size in [40_000, 3_000, 200] {
        let Some(disk) = Disk::mount("size=2m") else {
            return;
        };
        let store = options().open(disk.dir()).await.unwrap();
        let mut kept = 0;
        let error = loop {
            match store.create(&sized(kept, size), Durability::Crash).await {
                Ok(created) => assert!(created),
                Err(error) => break error,
            }
            kept += 1;
        };
        assert_eq!(sqlite_code(&error), Some(ErrorCode::DiskFull), "{error:?}");
        assert_eq!(left(&store, 0..kept).await.len() as u64, kept);
        disk.fill();
        for number in 0..kept {
            assert!(remove(&store, &key(number)).await);
            assert!(!has(&store, number).await);
        }
        create(&store, &sized(kept, 200)).await;
    }
}

#[tokio::test]
async fn a_disk_without_inodes_keeps_what_it_has() {
    let Some(disk) = Disk::mount("size=32m,nr_inodes=9") else {
        return;
    };
    let store = options().shard_bytes(0).open(disk.dir()).await.unwrap();
    for number in 0..300 {
        create(&store, &sized(number, 1000)).await;
    }
    assert_eq!(left(&store, 0..300).await.len(), 300);
    for number in 0..300 {
        assert!(remove(&store, &key(number)).await);
    }
    create(&store, &session(1)).await;
}
