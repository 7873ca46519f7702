//! How shards grow in number, and how a session is found among them.

use std::fs;
use std::time::Duration;

use duck_session::store::{Durability, SessionStore, StoredSession, Version};
use rusqlite::Connection;

use super::{Dir, create, grow, has, key, left, next, remove, replace, session, sized};

#[tokio::test]
async fn shards_grow_in_number_as_they_fill_up() {
    let dir = Dir::new();
    let store = dir.open_tiny().await;
    assert_eq!(dir.shards().len(), 1);
    for number in 0..1000 {
        create(&store, &sized(number, 1000)).await;
    }
    // They are split beside the writes: the last of them a little later.
    let mut count = 1000;
    while dir.shards().len() < 16 {
        assert!(count < 2000, "{} shards", dir.shards().len());
        create(&store, &sized(count, 1000)).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        count += 1;
    }
    assert!(dir.shards().len() <= 128, "{} shards", dir.shards().len());
    assert_eq!(left(&store, 0..1000).await.len(), 1000);
    drop(store);
    let store = dir.open().await;
    assert_eq!(left(&store, 0..1000).await.len(), 1000);
    for number in [1, 99, 999] {
        assert_eq!(dir.holders(&key(number)).len(), 1);
    }
    assert!(dir.names().iter().all(|name| !name.contains("draft")));
}

/// All shards but one are made unreadable: who asked another one would fail.
#[tokio::test]
async fn a_read_finds_its_shard_without_asking_each() {
    let dir = Dir::new();
    let store = dir.open_tiny().await;
    grow(&store, &dir, 8).await;
    for number in 0..500 {
        create(&store, &sized(number, 1000)).await;
    }
    // What is in the log is in no copy of the shard.
    drop(store);
    for number in [7, 77, 177, 277, 377, 477] {
        let home = dir.holders(&key(number)).remove(0);
        let others = dir.shards().into_iter().filter(|shard| *shard != home);
        let elsewhere = Dir::new();
        fs::create_dir(elsewhere.path()).unwrap();
        fs::copy(&home, elsewhere.path().join(home.file_name().unwrap())).unwrap();
        for other in others {
            let damaged = elsewhere.path().join(other.file_name().unwrap());
            fs::write(damaged, vec![0xff; 20_000]).unwrap();
        }
        let copy = elsewhere.open().await;
        let old = copy.load(&key(number)).await.unwrap().unwrap();
        assert!(replace(&copy, &old, &next(&old, "new")).await);
        assert!(remove(&copy, &key(number)).await);
        assert!(!has(&copy, number).await);
        create(&copy, &session(number)).await;
        let elsewhere = (0..500)
            .find(|it| dir.holders(&key(*it))[0] != home)
            .unwrap();
        assert!(copy.load(&key(elsewhere)).await.is_err());
    }
}

#[tokio::test]
async fn a_shard_split_by_another_is_found() {
    let dir = Dir::new();
    let (here, there) = (dir.open_tiny().await, dir.open_tiny().await);
    for number in 0..300 {
        let (one, other) = if number % 2 == 0 {
            (&here, &there)
        } else {
            (&there, &here)
        };
        let new = sized(number, 1000);
        create(one, &new).await;
        assert!(has(other, number).await);
        assert!(replace(other, &new, &next(&new, vec![1; 1000])).await);
        assert!(!one.create(&new, Durability::Crash).await.unwrap());
        if number % 50 == 0 {
            grow(one, &dir, 1 + dir.shards().len()).await;
        }
        // One that nobody wrote since the last split.
        assert!(has(other, number / 2).await);
    }
    assert_eq!(left(&here, 0..300).await, left(&there, 0..300).await);
}

/// The process died after it had decided, and before the halves had their names.
#[tokio::test]
async fn a_split_that_was_decided_is_finished_by_whoever_comes() {
    for live in [false, true] {
        let dir = Dir::new();
        let store = dir.open().await;
        for number in 0..40 {
            create(&store, &sized(number, 1000)).await;
        }
        store.flush().await.unwrap();
        let whole = dir.shards().remove(0);
        drop(store);
        let other = Dir::new();
        let shard = |name: &str| other.path().join(name);
        fs::create_dir(other.path()).unwrap();
        fs::copy(&whole, shard("shard-all-00000001.sqlite")).unwrap();
        let store = if live { Some(other.open().await) } else { None };
        for (half, condition) in [("0", "id >= 0"), ("1", "id < 0")] {
            let path = shard(&format!("shard-{half}-00000002.draft"));
            fs::copy(&whole, &path).unwrap();
            let sql = format!("DELETE FROM sessions WHERE {condition}");
            Connection::open(path).unwrap().execute_batch(&sql).unwrap();
        }
        let split = i32::from_be_bytes(*b"splt");
        let end = format!("BEGIN; DELETE FROM sessions; PRAGMA user_version = {split}; COMMIT;");
        let connection = Connection::open(shard("shard-all-00000001.sqlite")).unwrap();
        connection.execute_batch(&end).unwrap();
        drop(connection);
        let store = match store {
            Some(store) => store,
            None => other.open().await,
        };
        assert_eq!(left(&store, 0..40).await.len(), 40);
        create(&store, &session(100)).await;
        let mut names = other
            .shards()
            .into_iter()
            .map(|it| it.file_name().unwrap().to_owned());
        assert_eq!(names.next().unwrap(), "shard-0-00000002.sqlite");
        assert_eq!(names.next().unwrap(), "shard-1-00000002.sqlite");
        assert_eq!(names.next(), None);
    }
}

/// The process died before it had decided: what it had written of the halves is nothing.
#[tokio::test]
async fn a_split_that_was_not_decided_did_not_happen() {
    let dir = Dir::new();
    let store = dir.open().await;
    for number in 0..40 {
        create(&store, &sized(number, 1000)).await;
    }
    store.flush().await.unwrap();
    let whole = dir.shards().remove(0);
    for half in ["0", "1"] {
        fs::copy(
            &whole,
            dir.path().join(format!("shard-{half}-00000002.draft")),
        )
        .unwrap();
    }
    assert!(remove(&store, &key(7)).await);
    drop(store);
    let store = dir.open().await;
    assert_eq!(left(&store, 0..40).await.len(), 39);
    assert!(dir.names().iter().all(|name| !name.contains("draft")));
    // Also where they are left until the shard is split for good.
    fs::copy(&whole, dir.path().join("shard-0-00000003.draft")).unwrap();
    drop(store);
    let store = dir.open_tiny().await;
    for number in 100..200 {
        create(&store, &sized(number, 1000)).await;
    }
    grow(&store, &dir, 2).await;
    assert!(!has(&store, 7).await);
    assert_eq!(left(&store, 0..200).await.len(), 139);
}

/// Bytes in the folder, but for the space that is set aside.
fn bytes(dir: &Dir) -> u64 {
    let names = dir.names().into_iter().filter(|it| it != "shards.reserve");
    let sizes = names.map(|name| fs::metadata(dir.path().join(name)).map_or(0, |it| it.len()));
    sizes.sum()
}

/// What was removed from a shard, in whatever way, gives its space back when it is swept; other processes go on.
#[tokio::test]
async fn a_shard_that_was_emptied_gives_its_space_back_to_the_disk() {
    for kept in [0, 100] {
        let dir = Dir::new();
        let (store, other) = (dir.open().await, dir.open().await);
        for number in 0..4000 {
            let expires = if number < 2000 { 1 } else { 1_900_000_000_000 };
            create(&store, &of_size(number, expires)).await;
        }
        assert!(has(&other, 0).await);
        store.flush().await.unwrap();
        let full = bytes(&dir);
        for number in 2000..4000 - kept {
            assert!(remove(&store, &key(number)).await);
        }
        assert_eq!(store.remove_expired(2, 10_000).await.unwrap(), 2000);
        let mut waits = 0;
        while bytes(&dir) > full / 10 {
            assert!(
                waits < 500,
                "{} of {full} bytes: {:?}",
                bytes(&dir),
                dir.names()
            );
            waits += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let expected: Vec<_> = (4000 - kept..4000).collect();
        for store in [&store, &other] {
            assert_eq!(left(store, 0..4000).await, expected);
        }
        create(&other, &session(5000)).await;
        assert!(has(&store, 5000).await);
        assert_eq!(dir.shards().len(), 1);
    }
}

fn of_size(number: u64, expires: u64) -> StoredSession {
    StoredSession::new(key(number), Version::first(), None, expires, vec![7; 1000])
}

/// A process died after a copy took the place of a shard, and before that shard was removed. The drafts of the next
/// copy would be taken for those of this one, decided or not.
#[tokio::test]
async fn a_shard_that_is_over_goes_before_the_next_copy_is_begun() {
    let dir = Dir::new();
    let store = dir.open_tiny().await;
    for number in 0..10 {
        create(&store, &sized(number, 1000)).await;
    }
    let over = dir.path().join("shard-all-00000001.sqlite");
    let elsewhere = Dir::new();
    drop(elsewhere.open().await);
    fs::copy(&elsewhere.shards()[0], &over).unwrap();
    let split = i32::from_be_bytes(*b"splt");
    let end = format!("PRAGMA user_version = {split}");
    Connection::open(&over)
        .unwrap()
        .execute_batch(&end)
        .unwrap();
    grow(&store, &dir, 3).await;
    assert!(!over.exists());
    assert_eq!(left(&store, 0..10).await.len(), 10);
}
