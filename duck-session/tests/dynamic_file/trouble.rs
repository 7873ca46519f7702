//! Disks that are full, files that are damaged, folders that go away.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use duck::Error;
use duck_session::cache::{Cache, DynamicFileCache, Entry};
use rusqlite::ErrorCode;

use super::{Dir, read};

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
async fn a_corrupt_shard_leaves_the_others_readable() {
    let dir = Dir::new();
    let cache = dir.open_tiny();
    for key in ["a", "b", "c"] {
        cache.set(key, b"1", None).await.unwrap();
    }
    drop(cache);
    fs::write(&dir.shards()[1], vec![0xff; 20_000]).unwrap();

    let cache = dir.open_tiny();
    assert_eq!(read(&cache, "a").await.as_deref(), Some("1"));
    assert_eq!(read(&cache, "c").await.as_deref(), Some("1"));
    for error in [
        cache.get("b").await.unwrap_err(),
        cache.delete("b").await.unwrap_err(),
    ] {
        assert_eq!(
            sqlite_code(&error),
            Some(ErrorCode::NotADatabase),
            "{error:?}"
        );
        assert!(error.to_string().contains("shard-000002.sqlite"), "{error}");
    }
    assert!(
        !cache
            .compare_and_swap("a", None, Some(Entry::new(b"2")))
            .await
            .unwrap()
    );
    assert!(
        cache
            .compare_and_swap("new", None, Some(Entry::new(b"2")))
            .await
            .unwrap()
    );
    cache.set("a", b"3", None).await.unwrap();
    cache.delete("c").await.unwrap();
    assert_eq!(read(&cache, "new").await.as_deref(), Some("2"));
    assert_eq!(read(&cache, "a").await.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_removed_folder_is_an_error_until_it_is_back() {
    let dir = Dir::new();
    let cache = dir.open();
    cache.set("a", b"1", None).await.unwrap();
    fs::remove_dir_all(dir.path()).unwrap();
    assert!(cache.set("a", b"2", None).await.is_err());
    assert!(cache.get("b").await.is_err());
    assert!(cache.save().await.is_err());
    fs::create_dir(dir.path()).unwrap();
    cache.set("a", b"3", None).await.unwrap();
    assert_eq!(read(&cache, "a").await.as_deref(), Some("3"));
    assert_eq!(read(&dir.open(), "a").await.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_shard_deleted_by_hand_is_not_written_into() {
    let dir = Dir::new();
    let cache = dir.open();
    cache.set("a", b"1", None).await.unwrap();
    fs::remove_file(&dir.shards()[0]).unwrap();
    cache.set("a", b"2", None).await.unwrap();
    assert_eq!(read(&cache, "a").await.as_deref(), Some("2"));
    assert_eq!(read(&dir.open(), "a").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_locked_folder_is_an_error_and_not_a_hang() {
    let dir = Dir::new();
    let cache = dir.open();
    let lock = fs::File::open(dir.path().join("shards.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert!(cache.set("a", b"1", None).await.is_err());
    assert_eq!(read(&cache, "a").await, None);
    drop(lock);
    cache.set("a", b"2", None).await.unwrap();
    assert_eq!(read(&cache, "a").await.as_deref(), Some("2"));
}

#[test]
fn a_folder_others_could_change_is_refused() {
    let dir = Dir::new();
    fs::create_dir(dir.path()).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = DynamicFileCache::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains(dir.path().to_str().unwrap()), "{error}");
    assert!(
        error.contains("mode 777") && error.contains("chmod"),
        "{error}"
    );

    let link = dir.parent.path().join("link");
    symlink("sessions", &link).unwrap();
    let error = DynamicFileCache::open(link).unwrap_err().to_string();
    assert!(error.contains("symbolic link"), "{error}");
}

#[tokio::test]
async fn a_planted_shard_that_leads_elsewhere_is_not_followed() {
    let dir = Dir::new();
    let elsewhere = Dir::new();
    elsewhere.open().set("a", b"planted", None).await.unwrap();
    drop(dir.open());
    symlink(
        &elsewhere.shards()[0],
        dir.path().join("shard-000007.sqlite"),
    )
    .unwrap();
    assert!(dir.open().get("a").await.is_err());
}

/// A file system of its own, and small.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(path: &'a Path) -> Option<Self> {
        fs::create_dir(path).unwrap();
        let options = "size=2m,mode=0700";
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(path)
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(path))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[tokio::test]
async fn on_a_full_disk_sessions_are_read_and_removed() {
    let dir = Dir::new();
    let path = dir.path();
    let Some(_disk) = SmallDisk::mount(&path) else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "mounting a tmpfs is not permitted"
        );
        eprintln!("NOT TESTED: a full disk, because mounting a tmpfs is not permitted");
        return;
    };
    for size in [40_000, 3_000, 200] {
        let cache = dir.open();
        let (kept, error) = fill(&cache, size).await;
        assert_eq!(sqlite_code(&error), Some(ErrorCode::DiskFull), "{error:?}");
        for number in 0..kept {
            assert!(cache.get(&format!("k{number}")).await.unwrap().is_some());
        }
        cache.delete("k0").await.unwrap();
        assert_eq!(cache.get("k0").await.unwrap(), None);
        for number in 1..kept {
            cache.delete(&format!("k{number}")).await.unwrap();
        }
        cache.set("after", b"1", None).await.unwrap();
        assert_eq!(read(&cache, "after").await.as_deref(), Some("1"));
    }
}

/// Writes until the disk is full; gives how many entries were kept, and the error.
async fn fill(cache: &DynamicFileCache, size: usize) -> (usize, Error) {
    let mut number = 0;
    loop {
        let result = cache.set(&format!("k{number}"), &vec![1; size], None).await;
        match result {
            Ok(()) => number += 1,
            Err(error) => return (number, error),
        }
    }
}
