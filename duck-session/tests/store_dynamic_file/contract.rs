//! What this store does for what the port promises, and beyond it. The promises themselves are held by the suites in
//! `conformance`.

use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::pin::pin;
use std::task::{Context, Waker};

use duck_session::store::{Durability, SessionStore, StoredSession};

use super::{
    Dir, LATER, assert_same, create, expiring, grow, has, key, left, next, of, replace, session,
    sized, user,
};

#[tokio::test]
async fn a_user_has_the_sessions_that_are_theirs_now() {
    let dir = Dir::new();
    let store = dir.open_tiny().await;
    let numbers = |sessions: Vec<StoredSession>| {
        let mut keys: Vec<_> = sessions.iter().map(|it| *it.key()).collect();
        keys.sort();
        keys
    };
    grow(&store, &dir, 3).await;
    for number in 0..400 {
        create(&store, &of(number, number % 2)).await;
    }
    let odd = numbers(store.of_user(&user(1), 1000).await.unwrap());
    assert_eq!(
        odd,
        (0..400)
            .filter(|it| it % 2 == 1)
            .map(key)
            .collect::<Vec<_>>()
    );
    assert_eq!(store.of_user(&user(1), 7).await.unwrap().len(), 7);
    assert_eq!(store.of_user(&user(5), 7).await.unwrap().len(), 0);

    let old = store.load(&key(1)).await.unwrap().unwrap();
    let login = |whose| {
        let version = old.version().next();
        StoredSession::new(key(1), version, whose, LATER, "new")
    };
    let theirs = login(Some(user(5)));
    assert!(replace(&store, &old, &theirs).await);
    assert_eq!(numbers(store.of_user(&user(5), 7).await.unwrap()), [key(1)]);
    assert_eq!(store.of_user(&user(1), 1000).await.unwrap().len(), 199);
    assert!(replace(&store, &theirs, &next(&login(None), "")).await);
    assert_eq!(store.of_user(&user(5), 7).await.unwrap().len(), 0);
}

#[tokio::test]
async fn expired_sessions_are_loaded_until_they_are_removed() {
    let dir = Dir::new();
    let store = dir.open().await;
    for number in 0..10 {
        create(&store, &expiring(number, 1000 + number)).await;
    }
    assert_eq!(left(&store, 0..10).await.len(), 10);
    assert_eq!(store.remove_expired(1000, 100).await.unwrap(), 0);
    assert_eq!(store.remove_expired(1005, 2).await.unwrap(), 2);
    assert_eq!(store.remove_expired(1005, 100).await.unwrap(), 3);
    assert_eq!(left(&store, 0..10).await, [5, 6, 7, 8, 9]);
    assert_eq!(store.remove_expired(1005, 0).await.unwrap(), 0);
}

#[tokio::test]
async fn a_prolonged_session_survives_the_sweep_and_a_shortened_one_does_not() {
    let dir = Dir::new();
    let store = dir.open().await;
    let until = |old: &StoredSession, expires| {
        StoredSession::new(*old.key(), old.version().next(), None, expires, "new")
    };
    for number in 0..20 {
        let old = expiring(number, 10);
        create(&store, &old).await;
        let once = until(&old, 10);
        assert!(replace(&store, &old, &once).await);
        assert!(replace(&store, &once, &until(&once, LATER)).await);
    }
    let long = session(20);
    create(&store, &long).await;
    let once = until(&long, LATER);
    assert!(replace(&store, &long, &once).await);
    assert!(replace(&store, &once, &until(&once, 10)).await);
    let mut removed = 0;
    for _ in 0..4 {
        removed += store.remove_expired(100, 5).await.unwrap();
    }
    assert_eq!(removed, 1);
    assert_eq!(left(&store, 0..21).await, (0..20).collect::<Vec<_>>());
    assert_eq!(store.remove_expired(LATER + 1, 100).await.unwrap(), 20);
}

/// Sweeping all of them takes many slices, and the write comes after the first.
#[tokio::test]
async fn a_write_does_not_wait_until_everything_is_swept() {
    let dir = Dir::new();
    let store = dir.open().await;
    for turn in 0..40 {
        let sessions: Vec<_> = (0..500).map(|it| expiring(turn * 500 + it, 1)).collect();
        let creates = sessions
            .iter()
            .map(|it| store.create(it, Durability::Crash));
        for created in futures_util::future::join_all(creates).await {
            assert!(created.unwrap());
        }
    }
    let cloned = store.clone();
    let sweep = tokio::spawn(async move { cloned.remove_expired(2, usize::MAX).await });
    tokio::task::yield_now().await;
    create(&store, &session(100_000)).await;
    assert!(!sweep.is_finished());
    assert_eq!(sweep.await.unwrap().unwrap(), 20_000);
    assert!(has(&store, 100_000).await);
}

#[tokio::test]
async fn pages_show_each_session_once_though_shards_are_split_meanwhile() {
    let dir = Dir::new();
    let store = dir.open_tiny().await;
    for number in 0..200 {
        create(&store, &sized(number, 500)).await;
    }
    let (mut seen, mut after) = (Vec::new(), None);
    let before = dir.shards().len();
    let mut shards = before;
    loop {
        let page = store.page(after.as_deref(), 10).await.unwrap();
        assert!(page.sessions.len() <= 10 && page.unreadable == 0);
        seen.extend(page.sessions.iter().map(|session| *session.key()));
        after = page.next;
        if after.is_none() {
            break;
        }
        shards += 1;
        grow(&store, &dir, shards.min(before + 6)).await;
    }
    for number in 0..200 {
        let times = seen.iter().filter(|it| **it == key(number)).count();
        assert_eq!(times, 1, "session {number}");
    }
}

#[tokio::test]
async fn clear_leaves_nothing_for_anybody() {
    let dir = Dir::new();
    let (here, there) = (dir.open_tiny().await, dir.open_tiny().await);
    grow(&here, &dir, 3).await;
    for number in 0..300 {
        create(&here, &sized(number, 500)).await;
        assert!(has(&there, number).await);
    }
    SessionStore::clear(&here).await.unwrap();
    for store in [&there, &here] {
        assert_eq!(left(store, 0..300).await, [0; 0]);
    }
    assert_eq!(dir.shards().len(), 1);
    create(&there, &session(1)).await;
    assert!(has(&here, 1).await);
    // The other one closes the shards that went only now, and SQLite removes what is beside them.
    drop(there);
    create(&here, &session(2)).await;
    drop(here);
    assert_eq!(left(&dir.open().await, 0..300).await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_readers_see_each_acknowledged_write() {
    let dir = Dir::new();
    let store = dir.open_tiny().await;
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut now = sized(task, 4000);
                create(&store, &now).await;
                for turn in 0..50_u64 {
                    let new = next(&now, vec![1; 4000]);
                    assert!(replace(&store, &now, &new).await);
                    assert_same(&store.load(new.key()).await.unwrap().unwrap(), &new);
                    create(&store, &session(1000 + task * 100 + turn)).await;
                    assert!(has(&store, 1000 + task * 100 + turn).await);
                    now = new;
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
    let store = dir.open().await;
    for number in 0..100 {
        let session = session(number);
        let mut write = pin!(store.create(&session, Durability::Crash));
        let mut context = Context::from_waker(Waker::noop());
        assert!(write.as_mut().poll(&mut context).is_pending());
    }
    drop(store);
    let store = dir.open().await;
    assert_eq!(left(&store, 0..100).await.len(), 100);
}

#[tokio::test]
async fn flush_empties_the_log() {
    let dir = Dir::new();
    let store = dir.open().await;
    create(&store, &sized(1, 50_000)).await;
    let size = || std::fs::metadata(&dir.shards()[0]).unwrap().len();
    let before = size();
    store.flush().await.unwrap();
    assert!(size() > before);
}

#[tokio::test]
async fn files_are_for_their_owner_alone() {
    let dir = Dir::new();
    let store = dir.open_tiny().await;
    grow(&store, &dir, 2).await;
    for number in 0..200 {
        create(&store, &sized(number, 1000)).await;
    }
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path()), 0o700);
    assert!(dir.names().iter().any(|name| name.ends_with("-wal")));
    for name in dir.names() {
        assert_eq!(mode(&dir.path().join(&name)), 0o600, "{name}");
    }
}
