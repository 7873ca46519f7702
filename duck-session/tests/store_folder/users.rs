//! The index of users: an entry before the record, and it goes only after it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use duck_session::store::{SessionKey, SessionStore, StoredSession, UserKey};

use crate::site::*;

impl Site {
    fn entry(&self, user: UserKey, key: SessionKey) -> PathBuf {
        self.dir()
            .join("v2/by-user")
            .join(user.to_hex())
            .join(key.to_hex())
    }

    async fn of_user(&self, user: UserKey) -> Vec<SessionKey> {
        let sessions = self.store.of_user(&user, 100).await.unwrap();
        let mut keys: Vec<_> = sessions.iter().map(|session| *session.key()).collect();
        keys.sort();
        keys
    }
}

/// Has an entry look as if it was made so long ago.
fn age(entry: &PathBuf, seconds: u64) {
    let file = File::options().write(true).open(entry).unwrap();
    let then = SystemTime::now() - Duration::from_secs(seconds);
    file.set_modified(then).unwrap();
}

/// Replaces a session by one of this user.
async fn give(site: &Site, key: SessionKey, user: Option<UserKey>) {
    let before = site.store.load(&key).await.unwrap().unwrap();
    let version = before.version().next();
    let session = StoredSession::new(key, version, user, LATER, "theirs");
    replace(&site.store, before.version(), &session, PowerCut).await;
}

/// A session that has another user by now may get its first one back: who takes the entry away then loses it.
#[tokio::test]
async fn an_entry_stays_while_its_record_is_there_whoever_has_it() {
    let site = Site::new().await;
    create(&site.store, &with_user(KEY, user(1)), Crash).await;
    give(&site, KEY, Some(user(2))).await;
    age(&site.entry(user(1), KEY), 3600);
    assert_eq!(site.of_user(user(1)).await, []);
    site.store.remove_expired(now(), 100).await.unwrap();
    assert!(site.entry(user(1), KEY).exists());
    give(&site, KEY, Some(user(1))).await;
    assert_eq!(site.of_user(user(1)).await, [KEY]);
}

/// The record that it was made for may still be on its way.
#[tokio::test]
async fn a_young_entry_stays_without_a_record_and_an_old_one_goes() {
    let site = Site::new().await;
    for how in ["reader", "sweep", "removal"] {
        let session = with_user(KEY, user(1));
        create(&site.store, &session, Crash).await;
        let entry = site.entry(user(1), KEY);
        assert!(entry.exists());
        if how == "removal" {
            age(&entry, 62);
        }
        site.store.remove(&KEY, None, Crash).await.unwrap();
        if how != "removal" {
            for (seconds, stays) in [(0, true), (55, true), (62, false)] {
                age(&entry, seconds);
                match how {
                    "reader" => assert_eq!(site.of_user(user(1)).await, []),
                    _ => assert_eq!(site.store.remove_expired(now(), 100).await.unwrap(), 0),
                }
                assert_eq!(entry.exists(), stays, "{how}, after {seconds} s");
            }
        }
        assert!(
            !entry.parent().unwrap().exists(),
            "{how}: the user's folder is empty"
        );
    }
}

/// An old entry of a session that is gone counts as new when the key gets a session again.
#[tokio::test]
async fn an_entry_made_again_is_young() {
    let site = Site::new().await;
    let entry = site.entry(user(1), KEY);
    fs::create_dir(entry.parent().unwrap()).unwrap();
    fs::write(&entry, "").unwrap();
    age(&entry, 3600);
    create(&site.store, &with_user(KEY, user(1)), Crash).await;
    fs::remove_file(site.record(KEY)).unwrap();
    assert_eq!(site.of_user(user(1)).await, []);
    assert!(entry.exists());
}

/// It may be gone with the power, and the session be there.
#[tokio::test]
async fn the_sweep_puts_a_missing_entry_back() {
    let site = Site::new().await;
    create(&site.store, &with_user(KEY, user(1)), Crash).await;
    fs::remove_dir_all(site.entry(user(1), KEY).parent().unwrap()).unwrap();
    assert_eq!(site.of_user(user(1)).await, []);
    site.store.remove_expired(now(), 100).await.unwrap();
    assert_eq!(site.of_user(user(1)).await, [KEY]);
}

/// Entries come and go at once, with their user's folder, and no session is ever missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_session_is_missing_while_others_come_and_go() {
    let site = Site::new().await;
    let churn = |number: u64| {
        let store = site.store.clone();
        let entries = site.dir().join("v2/by-user").join(user(1).to_hex());
        tokio::spawn(async move {
            for round in 0..60 {
                let session = with_user(key(number), user(1));
                create(&store, &session, Crash).await;
                let found = store.of_user(&user(1), 100).await.unwrap();
                let is_there = found.iter().any(|session| session.key() == &key(number));
                assert!(is_there, "round {round}");
                // So that the removal takes the entry along, and perhaps the folder.
                age(&entries.join(key(number).to_hex()), 3600);
                assert!(store.remove(&key(number), None, Crash).await.unwrap());
            }
        })
    };
    let tasks: Vec<_> = (0..4).map(churn).collect();
    for task in tasks {
        task.await.unwrap();
    }
}
