//! How what the port promises looks on the disk. The promises themselves are held by the suites in `conformance`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use duck_session::store::{SessionStore, StoredSession, Version};

use crate::site::*;

#[tokio::test]
async fn nobody_else_can_read_what_is_stored() {
    let site = Site::new().await;
    create(&site.store, &with_user(KEY, user(1)), Crash).await;
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
    let large = StoredSession::new(KEY, Version::first(), None, LATER, vec![0; (16 << 20) + 1]);
    let error = site.store.create(&large, Crash).await.unwrap_err();
    let error = error.downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
    assert_eq!(files(&site.dir()), [""; 0].map(PathBuf::from));
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
