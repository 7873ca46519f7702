//! A site's own data, beside the sessions.

use std::time::Duration;

use duck_session::store::{Cache, SessionStore};

use crate::site::*;

const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

#[tokio::test]
async fn values_are_kept_beside_the_sessions() {
    let site = Site::new().await;
    let cache = &site.store;
    assert_eq!(cache.get("a").await.unwrap(), None);
    let large = vec![7; 1 << 20];
    for value in [&b"one"[..], b"", &large, b"\0\xff"] {
        cache.set("a", value, HOUR).await.unwrap();
        let other = site.reopen().await;
        assert_eq!(other.get("a").await.unwrap().as_deref(), Some(value));
    }
    site.create(KEY, "a session").await;
    assert_eq!(site.store.page(None, 10).await.unwrap().sessions.len(), 1);
    Cache::clear(cache).await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), None);
    assert_eq!(site.text().await.as_deref(), Some("a session"));
    cache.set("a", b"2", None).await.unwrap();
    SessionStore::clear(cache).await.unwrap();
    assert_eq!(cache.get("a").await.unwrap().as_deref(), Some(&b"2"[..]));
    for _ in 0..2 {
        cache.delete("a").await.unwrap();
        assert_eq!(cache.get("a").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_value_is_gone_when_its_time_is_over() {
    let site = Site::new().await;
    site.store
        .set("a", b"1", Some(Duration::ZERO))
        .await
        .unwrap();
    assert_eq!(site.store.get("a").await.unwrap(), None);
    assert_eq!(site.store.remove_expired(now() + 1, 10).await.unwrap(), 1);
    site.store
        .set("a", b"1", Some(Duration::MAX))
        .await
        .unwrap();
    assert_eq!(site.store.remove_expired(now(), 10).await.unwrap(), 0);
    assert!(site.store.get("a").await.unwrap().is_some());
}

#[tokio::test]
async fn no_key_reaches_a_path() {
    let site = Site::new().await;
    let sentinel = site.temp.path().join("precious");
    std::fs::write(&sentinel, "x").unwrap();
    let absolute = sentinel.to_str().unwrap();
    let long = "k".repeat(5000);
    let keys =
        "|.|..|../precious|../../precious|%2e%2e%2f|C:\\x|CON|by-user|sweep.lock|a\0b|a\r\nb|ключ";
    for key in keys.split('|').chain([absolute, &long]) {
        assert_eq!(site.store.get(key).await.unwrap(), None, "{key:?}");
        site.store.set(key, key.as_bytes(), HOUR).await.unwrap();
    }
    for key in keys.split('|').chain([absolute, &long]) {
        let held = site.store.get(key).await.unwrap();
        assert_eq!(held.as_deref(), Some(key.as_bytes()));
    }
    assert_eq!(std::fs::read(sentinel).unwrap(), b"x");
    assert_eq!(std::fs::read_dir(site.temp.path()).unwrap().count(), 2);
}
