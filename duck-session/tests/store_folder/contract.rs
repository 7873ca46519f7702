//! What the port promises, and how it looks on the disk.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use duck_session::store::{SessionKey, SessionStore, StoredSession, Version};

use crate::site::*;

#[tokio::test]
async fn keeps_replaces_and_removes_to_the_bit() {
    let site = Site::new().await;
    let mut before: Option<StoredSession> = None;
    for (count, len) in [
        (0, 3),
        (u64::MAX, 0),
        (3, 1 << 20),
        (4, 952),
        (5, 953),
        (6, 9),
    ] {
        let version = Version {
            count,
            random: !count,
        };
        let user = (count % 2 == 0).then(|| user(7));
        let new = StoredSession::new(KEY, version, user, u64::MAX - count, vec![0xa5; len]);
        let stored = match &before {
            None => site.store.create(&new, Crash).await,
            Some(before) => site.store.replace(before.version(), &new, PowerCut).await,
        };
        assert!(stored.unwrap());
        for store in [site.store.clone(), site.reopen().await] {
            let found = store.load(&KEY).await.unwrap().unwrap();
            assert_eq!(found.key(), &KEY);
            assert_eq!(found.version(), version);
            assert_eq!(found.user(), new.user());
            assert_eq!(found.expires(), new.expires());
            assert_eq!(found.bytes(), new.bytes());
        }
        before = Some(new);
    }
    assert!(site.store.remove(&KEY, None, PowerCut).await.unwrap());
    assert!(!site.store.remove(&KEY, None, PowerCut).await.unwrap());
    assert_eq!(site.text().await, None);
}

#[tokio::test]
async fn swaps_only_the_version_that_is_expected() {
    let site = Site::new().await;
    let first = session(KEY, "1");
    let second = next(&first, "2");
    assert!(
        !site
            .store
            .replace(first.version(), &second, Crash)
            .await
            .unwrap()
    );
    assert_eq!(files(&site.dir()), [""; 0].map(PathBuf::from));
    assert!(site.store.create(&first, Crash).await.unwrap());
    assert!(!site.store.create(&second, Crash).await.unwrap());
    let same_count = Version {
        count: 0,
        random: !first.version().random,
    };
    for wrong in [same_count, first.version().next()] {
        assert!(!site.store.replace(wrong, &second, Crash).await.unwrap());
        assert!(!site.store.remove(&KEY, Some(wrong), Crash).await.unwrap());
    }
    assert_eq!(site.text().await.as_deref(), Some("1"));
    assert!(
        site.store
            .replace(first.version(), &second, Crash)
            .await
            .unwrap()
    );
    assert!(
        !site
            .store
            .replace(first.version(), &second, Crash)
            .await
            .unwrap()
    );
    assert!(
        !site
            .store
            .remove(&KEY, Some(first.version()), Crash)
            .await
            .unwrap()
    );
    assert!(
        site.store
            .remove(&KEY, Some(second.version()), Crash)
            .await
            .unwrap()
    );
    let third = next(&second, "3");
    let revived = site.store.replace(second.version(), &third, Crash);
    assert!(!revived.await.unwrap(), "a removed session came back");
    assert_eq!(files(&site.dir()), [""; 0].map(PathBuf::from));
}

/// The engine decides what is over: a store has no clock of its own.
#[tokio::test]
async fn an_expired_session_is_loaded_and_keeps_its_key() {
    let site = Site::new().await;
    let over = StoredSession::new(KEY, Version::first(), None, 1, "over");
    assert!(site.store.create(&over, Crash).await.unwrap());
    assert_eq!(site.text().await.as_deref(), Some("over"));
    assert!(
        !site
            .store
            .create(&session(KEY, "new"), Crash)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn nobody_else_can_read_what_is_stored() {
    let site = Site::new().await;
    assert!(
        site.store
            .create(&with_user(KEY, user(1)), Crash)
            .await
            .unwrap()
    );
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let entry = site
        .dir()
        .join("v2/by-user")
        .join(user(1).to_hex())
        .join(KEY.to_hex());
    for folder in [
        &site.dir(),
        &site.dir().join("v2"),
        &site.dir().join("v2/00"),
        &site.dir().join("v2/by-user"),
        site.record(KEY).parent().unwrap(),
        entry.parent().unwrap(),
    ] {
        assert_eq!(mode(folder), 0o700, "{folder:?}");
    }
    for file in [&site.record(KEY), &entry, &site.dir().join("v2/sweep.lock")] {
        assert_eq!(mode(file), 0o600, "{file:?}");
    }
}

/// The same file, of the same size: no space is needed for what a session becomes.
#[tokio::test]
async fn a_save_writes_the_file_in_place() {
    let site = Site::new().await;
    site.create(KEY, "begun").await;
    let before = fs::metadata(site.record(KEY)).unwrap();
    for number in 0..10 {
        let durability = if number % 3 == 0 { PowerCut } else { Crash };
        save(&site.store, KEY, &format!("{number:900}"), durability).await;
        let after = fs::metadata(site.record(KEY)).unwrap();
        assert_eq!((after.ino(), after.len()), (before.ino(), before.len()));
    }
    save(&site.store, KEY, &"x".repeat(1000), Crash).await;
    let after = fs::metadata(site.record(KEY)).unwrap();
    assert_ne!(after.ino(), before.ino());
    assert_eq!(after.len(), 3 * 1536);
    assert_eq!(
        fs::read_dir(site.record(KEY).parent().unwrap())
            .unwrap()
            .count(),
        1
    );
}

#[tokio::test]
async fn a_session_too_large_is_refused_and_leaves_nothing() {
    let site = Site::new().await;
    let large = StoredSession::new(KEY, Version::first(), None, LATER, vec![0; 17 << 20]);
    let error = site.store.create(&large, Crash).await.unwrap_err();
    let error = error.downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
    assert_eq!(files(&site.dir()), [""; 0].map(PathBuf::from));
}

#[tokio::test]
async fn pages_show_each_session_once_whatever_comes_and_goes() {
    let site = Site::new().await;
    for number in 0..60 {
        site.create(key(number), "stays").await;
    }
    let (mut seen, mut after): (Vec<SessionKey>, _) = (Vec::new(), None);
    for round in 0.. {
        let page = site.store.page(after.as_deref(), 7).await.unwrap();
        assert!(page.sessions.len() <= 7);
        seen.extend(page.sessions.iter().map(|session| *session.key()));
        site.create(key(1000 + round), "comes").await;
        site.store
            .remove(&key(1000 + round), None, Crash)
            .await
            .unwrap();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    seen.sort();
    let mut all: Vec<_> = (0..60).map(key).collect();
    all.sort();
    assert_eq!(seen, all);
    for wrong in ["", "x", "../..", "00"] {
        site.store.page(Some(wrong), 7).await.unwrap_err();
    }
}

#[tokio::test]
async fn clear_removes_every_session_and_nothing_else() {
    let site = Site::new().await;
    for number in 0..50 {
        site.create(key(number), "gone").await;
    }
    fs::write(site.record(key(1)).with_file_name("record.new"), "left").unwrap();
    site.store.clear().await.unwrap();
    assert_eq!(files(&site.dir()), [""; 0].map(PathBuf::from));
    site.create(KEY, "new").await;
    assert_eq!(site.text().await.as_deref(), Some("new"));
}

#[tokio::test]
async fn two_opens_of_one_directory_are_one_store() {
    let site = Site::new().await;
    let other = site.reopen().await;
    let first = site.create(KEY, "1").await;
    assert_eq!(text(&other, KEY).await.as_deref(), Some("1"));
    save(&other, KEY, "2", Crash).await;
    assert!(
        !site
            .store
            .replace(first.version(), &next(&first, "3"), Crash)
            .await
            .unwrap()
    );
    assert!(other.remove(&KEY, None, Crash).await.unwrap());
    assert_eq!(site.text().await, None);
}
