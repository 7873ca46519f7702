//! What this storage promises beyond the suite of all storages (`tests/conformance`).

use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use duck_session::cache::Cache;

use super::{Dir, HOUR, read};

#[tokio::test]
async fn clear_leaves_nothing() {
    let dir = Dir::new();
    let cache = dir.open_tiny();
    for key in ["a", "b", "c"] {
        cache.set(key, b"1", None).await.unwrap();
    }
    cache.clear().await.unwrap();
    for key in ["a", "b", "c"] {
        assert_eq!(cache.get(key).await.unwrap(), None);
    }
    assert_eq!(dir.shards().len(), 1);
    cache.set("a", b"2", None).await.unwrap();
    assert_eq!(read(&cache, "a").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn odd_keys_and_values_are_kept_as_they_are() {
    let dir = Dir::new();
    let cache = dir.open();
    let long = "k".repeat(70_000);
    let large = vec![7; 1 << 20];
    let keys = [
        "",
        ".",
        "../x",
        "/etc/passwd",
        "a\0b",
        "a\0c",
        "'; DROP TABLE entries; --",
        "ключ",
        "%00",
        "\r\n",
        &long,
    ];
    for (place, key) in keys.iter().enumerate() {
        cache
            .set(key, &[u8::try_from(place).unwrap(), 0, 255], None)
            .await
            .unwrap();
    }
    for (place, key) in keys.iter().enumerate() {
        assert_eq!(
            cache.get(key).await.unwrap().unwrap()[0],
            u8::try_from(place).unwrap()
        );
    }
    cache.set("a", b"", None).await.unwrap();
    assert_eq!(cache.get("a").await.unwrap().as_deref(), Some(&b""[..]));
    cache.set("a", &large, None).await.unwrap();
    assert_eq!(cache.get("a").await.unwrap().as_deref(), Some(&large[..]));
}

#[tokio::test]
async fn only_what_expired_is_removed_and_no_more_than_asked() {
    let dir = Dir::new();
    let cache = dir.open();
    for number in 0..10 {
        cache
            .set(&format!("old{number}"), b"1", Some(Duration::ZERO))
            .await
            .unwrap();
    }
    cache.set("ever", b"1", None).await.unwrap();
    cache.set("long", b"1", Some(HOUR)).await.unwrap();
    assert_eq!(cache.remove_expired(4).await.unwrap(), 4);
    assert_eq!(cache.remove_expired(100).await.unwrap(), 6);
    assert_eq!(cache.remove_expired(100).await.unwrap(), 0);
    assert!(cache.get("ever").await.unwrap().is_some());
    assert!(cache.get("long").await.unwrap().is_some());
}

#[tokio::test]
async fn a_prolonged_entry_survives_the_sweep_and_a_shortened_one_does_not() {
    let dir = Dir::new();
    let cache = dir.open();
    for number in 0..20 {
        let key = format!("prolonged{number}");
        cache.set(&key, b"1", Some(Duration::ZERO)).await.unwrap();
        cache.set(&key, b"1", Some(HOUR)).await.unwrap();
    }
    cache.set("shortened", b"1", Some(HOUR)).await.unwrap();
    cache
        .set("shortened", b"1", Some(Duration::ZERO))
        .await
        .unwrap();
    cache.set("ended", b"1", None).await.unwrap();
    cache
        .set("ended", b"1", Some(Duration::ZERO))
        .await
        .unwrap();
    let mut removed = 0;
    for _ in 0..4 {
        removed += cache.remove_expired(5).await.unwrap();
    }
    assert_eq!(removed, 2);
    for number in 0..20 {
        assert!(
            cache
                .get(&format!("prolonged{number}"))
                .await
                .unwrap()
                .is_some()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_readers_see_each_acknowledged_write() {
    let dir = Dir::new();
    let cache = Arc::new(dir.open());
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move {
                for turn in 0..50 {
                    let (key, value) = (format!("k{task}"), turn.to_string());
                    cache.set(&key, value.as_bytes(), None).await.unwrap();
                    assert_eq!(read(&cache, &key).await, Some(value));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_write_nobody_waits_for_is_made_all_the_same() {
    let dir = Dir::new();
    let cache = dir.open();
    for number in 0..100 {
        let key = format!("k{number}");
        let mut write = pin!(cache.set(&key, b"1", None));
        let mut context = Context::from_waker(Waker::noop());
        assert!(write.as_mut().poll(&mut context).is_pending());
    }
    drop(cache);
    let cache = dir.open();
    for number in 0..100 {
        assert!(
            cache.get(&format!("k{number}")).await.unwrap().is_some(),
            "k{number}"
        );
    }
}

#[tokio::test]
async fn save_empties_the_log_and_may_be_called_often() {
    let dir = Dir::new();
    let cache = dir.open();
    cache.set("a", b"1", None).await.unwrap();
    let size = || std::fs::metadata(&dir.shards()[0]).unwrap();
    let before = size().modified().unwrap();
    for _ in 0..100 {
        cache.save().await.unwrap();
    }
    assert!(size().modified().unwrap() > before);
    assert_eq!(read(&cache, "a").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn files_are_for_their_owner_alone() {
    let dir = Dir::new();
    let cache = dir.open_tiny();
    cache.set("a", b"1", None).await.unwrap();
    cache.set("b", b"1", None).await.unwrap();
    assert!(cache.get("a").await.unwrap().is_some());
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path()), 0o700);
    let files: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    assert!(
        files
            .iter()
            .any(|path| path.to_string_lossy().ends_with("-wal"))
    );
    for path in files {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}
