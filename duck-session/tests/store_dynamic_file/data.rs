//! Data of a site's own beside the sessions.

use std::time::Duration;

use duck_session::store::{Cache, SessionStore};

use super::{Dir, create, has, session};

#[tokio::test]
async fn a_sites_own_data_lives_apart_from_sessions() {
    let dir = Dir::new();
    let store = dir.open().await;
    assert!(
        !dir.names().contains(&"data.sqlite".to_owned()),
        "it is made at its first use"
    );
    create(&store, &session(1)).await;
    assert_eq!(store.get("a").await.unwrap(), None);
    store.set("a", b"\0\xff", None).await.unwrap();
    store.set("over", b"1", Some(Duration::ZERO)).await.unwrap();
    store.set("long", b"1", Some(Duration::MAX)).await.unwrap();
    assert_eq!(store.get("over").await.unwrap(), None);
    store.delete("long").await.unwrap();
    store.delete("long").await.unwrap();
    store.save().await.unwrap();
    SessionStore::clear(&store).await.unwrap();
    drop(store);
    let store = dir.open().await;
    assert_eq!(
        store.get("a").await.unwrap().as_deref(),
        Some(&b"\0\xff"[..])
    );
    create(&store, &session(2)).await;
    Cache::clear(&store).await.unwrap();
    assert_eq!(store.get("a").await.unwrap(), None);
    assert!(has(&store, 2).await);
}

/// Nobody has to sweep it.
#[tokio::test]
async fn what_is_over_goes_as_other_data_comes() {
    let dir = Dir::new();
    let store = dir.open().await;
    for number in 0..100 {
        store
            .set(&format!("over{number}"), b"1", Some(Duration::ZERO))
            .await
            .unwrap();
    }
    let data = rusqlite::Connection::open(dir.path().join("data.sqlite")).unwrap();
    let count = "SELECT count(*) FROM entries";
    let count: i64 = data.query_row(count, [], |row| row.get(0)).unwrap();
    assert!(count <= 2, "{count} entries");
}
