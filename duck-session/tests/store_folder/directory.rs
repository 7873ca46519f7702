//! A folder of sessions that is not its own, goes away, or is not what it was.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use duck_session::store::SessionStore;

use crate::children::child;
use crate::site::*;

fn kind(error: &duck::Error) -> ErrorKind {
    error.downcast_ref::<std::io::Error>().unwrap().kind()
}

#[tokio::test]
async fn a_directory_that_is_not_its_own_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let chmod = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode));
    for mode in [0o720, 0o702, 0o777] {
        chmod(temp.path(), mode).unwrap();
        let error = try_open(temp.path()).await.unwrap_err();
        assert_eq!(kind(&error), ErrorKind::PermissionDenied);
        let text = error.to_string();
        assert!(text.contains(temp.path().to_str().unwrap()), "{text}");
        let mode = format!("mode {mode:o}");
        for part in [&*mode, "chmod go-w"] {
            assert!(text.contains(part), "{text}");
        }
    }
    chmod(temp.path(), 0o755).unwrap();
    try_open(temp.path()).await.unwrap();
    chmod(&temp.path().join("v2"), 0o777).unwrap();
    let text = try_open(temp.path()).await.unwrap_err().to_string();
    assert!(text.contains("/v2 may be written by others"), "{text}");
    let text = try_open(&temp.path().join("v2/sweep.lock")).await;
    let text = text.unwrap_err().to_string();
    assert!(text.contains("cannot be opened"), "{text}");
}

#[tokio::test]
async fn a_directory_that_is_a_link_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let (real, link) = (temp.path().join("real"), temp.path().join("link"));
    symlink(&real, &link).unwrap();
    for _ in 0..2 {
        for path in [link.clone(), link.join(""), link.join(".")] {
            let text = try_open(&path).await.unwrap_err().to_string();
            assert!(text.contains("is a symbolic link"), "{text}");
        }
        // At first it dangles; the second time it leads to a directory.
        fs::create_dir_all(&real).unwrap();
    }
    assert_eq!(fs::read_dir(real).unwrap().count(), 0);
}

#[tokio::test]
async fn errors_tell_no_path() {
    let site = Site::new().await;
    site.create(KEY, "1").await;
    fs::remove_file(site.record(KEY)).unwrap();
    fs::create_dir(site.record(KEY)).unwrap();
    let chain = site.store.load(&KEY).await.unwrap_err().chain();
    let key = &KEY.to_hex()[..6];
    assert!(!chain.contains('/') && !chain.contains(key), "{chain}");
}

#[tokio::test]
async fn a_directory_removed_or_replaced_under_the_site_crashes_nothing() {
    let site = Site::new().await;
    site.create(KEY, "1").await;
    let moved = site.temp.path().join("moved");
    fs::rename(site.dir(), &moved).unwrap();
    let other = site.reopen().await;
    save(&site.store, KEY, "2", Crash).await;
    assert_eq!(site.text().await.as_deref(), Some("2"));
    assert_eq!(text(&other, KEY).await, None);

    fs::remove_dir_all(moved.join("v2/00")).unwrap();
    assert_eq!(site.text().await, None);
    site.create(KEY, "3").await;
    assert_eq!(site.text().await.as_deref(), Some("3"));

    fs::remove_dir_all(moved).unwrap();
    assert_eq!(site.text().await, None);
    let error = site
        .store
        .create(&session(KEY, "4"), Crash)
        .await
        .unwrap_err();
    assert_eq!(kind(&error), ErrorKind::NotFound);
    site.store.remove_expired(1, 10).await.unwrap_err();
}

/// In a process of its own, where no other test opens files.
#[test]
fn descriptors_do_not_add_up() {
    let site = tempfile::tempdir().unwrap();
    let status = child("keeps descriptors few", &site.path().join("sessions"), 0).status();
    assert!(status.unwrap().success());
}

pub(crate) async fn keep_descriptors_few(dir: &Path) {
    let store = open(dir).await;
    let open = || fs::read_dir("/dev/fd").unwrap().count();
    store
        .create(&with_user(key(1), user(1)), PowerCut)
        .await
        .unwrap();
    let before = open();
    for number in 2..300 {
        store
            .create(&with_user(key(number), user(1)), Crash)
            .await
            .unwrap();
        save(&store, key(number), &"x".repeat(3000), Crash).await;
        store.remove_expired(1, 1).await.unwrap();
    }
    store.of_user(&user(1), 1000).await.unwrap();
    // The sweep keeps its place among the users.
    assert!(open() <= before + 1, "{} after {before}", open());
}
