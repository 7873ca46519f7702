//! How shards come, are found and go.

use std::time::Duration;

use duck_session::cache::{Cache, Entry};

use super::{Dir, HOUR, read};

#[tokio::test]
async fn a_full_shard_is_followed_by_another() {
    let dir = Dir::new();
    let cache = duck_session::cache::DynamicFileCache::options()
        .shard_bytes(64 << 10)
        .open(dir.path())
        .unwrap();
    for number in 0..200 {
        cache
            .set(&format!("k{number}"), &[1; 1000], None)
            .await
            .unwrap();
    }
    let made = dir.shards().len();
    assert!((3..=6).contains(&made), "{made} shards");
    for number in 0..200 {
        assert!(cache.get(&format!("k{number}")).await.unwrap().is_some());
    }
}

/// W16b: an older shard that had room again took the write, while a newer one won the read.
#[tokio::test]
async fn a_key_lives_in_one_shard_whatever_is_done_to_it() {
    let dir = Dir::new();
    let cache = dir.open_tiny();
    for key in ["a", "b", "c", "d"] {
        cache.set(key, b"old", Some(HOUR)).await.unwrap();
    }
    assert_eq!(dir.holders("b"), [2]);
    cache.set("b", &vec![b'x'; 20_000], None).await.unwrap();
    cache
        .set("b", b"newer", Some(Duration::ZERO))
        .await
        .unwrap();
    assert!(
        cache
            .compare_and_swap("b", None, Some(Entry::new(b"newest")))
            .await
            .unwrap()
    );
    assert_eq!(dir.holders("b"), [2]);
    assert_eq!(read(&cache, "b").await.as_deref(), Some("newest"));
    cache.delete("b").await.unwrap();
    cache.set("b", b"again", None).await.unwrap();
    assert_eq!(dir.holders("b").len(), 1);
    assert_eq!(read(&cache, "b").await.as_deref(), Some("again"));
}

#[tokio::test]
async fn a_key_in_a_group_with_its_own_deletion_lives_in_one_shard() {
    let dir = Dir::new();
    let cache = dir.open_tiny();
    for turn in 0..20 {
        cache.set("other", b"1", None).await.unwrap();
        let value = turn.to_string();
        let (one, two, three) = tokio::join!(
            cache.set("a", b"before", None),
            cache.delete("a"),
            cache.set("a", value.as_bytes(), None),
        );
        one.and(two).and(three).unwrap();
        assert_eq!(dir.holders("a").len(), 1);
        assert_eq!(read(&cache, "a").await, Some(value));
        cache.delete("other").await.unwrap();
    }
}

/// W16: a shard made by one process was invisible to another.
#[tokio::test]
async fn a_shard_made_by_another_is_found() {
    let dir = Dir::new();
    let (here, there) = (dir.open_tiny(), dir.open_tiny());
    for key in ["a", "b", "c"] {
        here.set(key, b"1", None).await.unwrap();
        assert_eq!(read(&there, key).await.as_deref(), Some("1"));
        there.set(key, b"2", None).await.unwrap();
        assert_eq!(read(&here, key).await.as_deref(), Some("2"));
        assert!(
            !here
                .compare_and_swap(key, None, Some(Entry::new(b"3")))
                .await
                .unwrap()
        );
        assert_eq!(dir.holders(key).len(), 1);
    }
    there.delete("b").await.unwrap();
    assert_eq!(read(&here, "b").await, None);
}

/// W17: what was written through a handle to a removed file was lost.
#[tokio::test]
async fn an_emptied_shard_goes_and_who_has_it_open_writes_elsewhere() {
    let dir = Dir::new();
    let (here, there) = (dir.open_tiny(), dir.open_tiny());
    for key in ["a", "b", "c"] {
        here.set(key, b"1", None).await.unwrap();
        there.set(key, b"2", None).await.unwrap();
        assert_eq!(read(&there, key).await.as_deref(), Some("2"));
    }
    assert_eq!(dir.shards().len(), 3);
    here.delete("a").await.unwrap();
    assert_eq!(dir.shards().len(), 2, "the emptied shard is removed");
    assert_eq!(read(&there, "a").await, None);
    there.set("a", b"3", None).await.unwrap();
    assert_eq!(read(&here, "a").await.as_deref(), Some("3"));
    drop((here, there));
    assert_eq!(read(&dir.open(), "a").await.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_shard_whose_entries_expired_goes() {
    let dir = Dir::new();
    let cache = dir.open_tiny();
    for key in ["a", "b", "c"] {
        cache.set(key, b"1", Some(Duration::ZERO)).await.unwrap();
    }
    cache.set("d", b"1", None).await.unwrap();
    assert_eq!(cache.remove_expired(10).await.unwrap(), 3);
    assert_eq!(dir.shards().len(), 1);
    assert!(cache.get("d").await.unwrap().is_some());
}

#[tokio::test]
async fn the_newest_shard_stays_though_it_is_empty() {
    let dir = Dir::new();
    let cache = dir.open();
    cache.set("a", b"1", None).await.unwrap();
    cache.delete("a").await.unwrap();
    assert_eq!(dir.shards().len(), 1);
}
