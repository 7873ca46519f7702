//! What is in the server, and what a request costs it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use duck_session::store::{Durability, SessionStore, StoredSession, UserKey};
use redis::aio::MultiplexedConnection;

use crate::server::{Server, is_installed, settings};
use crate::site;
use crate::{LATER, create, key, next, replace, session};

const USER: UserKey = UserKey::from_bytes([9; 16]);

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

fn record_name(number: u64) -> String {
    format!("duck:test:session:{}", key(number).to_hex())
}

fn list_name() -> String {
    format!("duck:test:user:{}", USER.to_hex())
}

async fn left(admin: &mut MultiplexedConnection, name: &str) -> i64 {
    redis::cmd("PTTL")
        .arg(name)
        .query_async(admin)
        .await
        .unwrap()
}

async fn entries(admin: &mut MultiplexedConnection) -> u64 {
    redis::cmd("ZCARD")
        .arg(list_name())
        .query_async(admin)
        .await
        .unwrap()
}

/// How often each command was carried out since the last time.
async fn commands(admin: &mut MultiplexedConnection) -> Vec<String> {
    let stats: String = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(admin)
        .await
        .unwrap();
    let _: () = redis::cmd("CONFIG")
        .arg("RESETSTAT")
        .query_async(admin)
        .await
        .unwrap();
    let count = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let is_of_a_request =
            ["get", "set", "evalsha", "eval", "zrange", "mget", "unlink"].contains(&name);
        is_of_a_request.then(|| format!("{name} {}", rest.split(',').next().unwrap()))
    };
    let mut counts: Vec<_> = stats.lines().filter_map(count).collect();
    counts.sort();
    counts
}

#[tokio::test]
async fn a_load_is_one_command_and_a_save_one_call_of_a_script() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let client = site::visitor(site::settings(server.url())).await;
    site::read(&client, "/add").await;
    site::read(&client, "/login/ida").await;
    site::read(&client, "/add").await;
    let mut admin = server.admin().await;
    commands(&mut admin).await;
    site::read(&client, "/get").await;
    assert_eq!(commands(&mut admin).await, ["get 1"]);
    site::read(&client, "/add").await;
    // The script itself is what carries out the `SET`.
    assert_eq!(commands(&mut admin).await, ["evalsha 1", "get 1", "set 1"]);
    site::read(&client.another(), "/add").await;
    assert_eq!(commands(&mut admin).await, ["set 1"]);
    site::read(&client, "/plain").await;
    assert!(commands(&mut admin).await.is_empty());
}

#[tokio::test]
async fn the_server_keeps_a_record_a_little_longer_than_its_session() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let (store, mut admin) = (server.store().await, server.admin().await);
    let hour = 3_600_000;
    create(&store, &session(1, None, now() + hour)).await;
    let kept = left(&mut admin, &record_name(1)).await;
    assert!((3_600_000..3_600_000 + 700_000).contains(&kept), "{kept}");
    create(&store, &session(2, None, 1)).await;
    let kept = left(&mut admin, &record_name(2)).await;
    assert!((500_000..700_000).contains(&kept), "{kept}");
    create(&store, &session(3, None, u64::MAX)).await;
    assert!(left(&mut admin, &record_name(3)).await > 3_000_000_000);
}

#[tokio::test]
async fn an_entry_of_a_list_lives_at_least_as_long_as_its_record() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let (store, mut admin) = (server.store().await, server.admin().await);
    let mut old = session(1, Some(USER), now());
    create(&store, &old).await;
    for hours in [1, 2, 24, 3, 900, 100_000] {
        let (version, end) = (old.version().next(), now() + hours * 3_600_000);
        let new = StoredSession::new(*old.key(), version, Some(USER), end, "sealed");
        assert!(replace(&store, &old, &new).await);
        let record = left(&mut admin, &record_name(1)).await;
        let list = left(&mut admin, &list_name()).await;
        assert!(list >= record, "{hours}: {list} {record}");
        let mut range = redis::cmd("ZRANGE");
        range.arg(list_name()).arg(-1).arg(-1).arg("WITHSCORES");
        let entry: Vec<(Vec<u8>, u64)> = range.query_async(&mut admin).await.unwrap();
        let end_of_record = now() + u64::try_from(record).unwrap();
        assert!(entry[0].1 >= end_of_record - 1000, "{hours}");
        assert_eq!(store.of_user(&USER, 10).await.unwrap().len(), 1);
        old = new;
    }
}

#[tokio::test]
async fn an_entry_without_a_record_stays_for_a_minute_and_then_goes() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let (store, mut admin) = (server.store().await, server.admin().await);
    create(&store, &session(1, Some(USER), LATER)).await;
    let entry = |number: u64, age: u64| {
        [
            &key(number).as_bytes()[..],
            format!("{:013}", now() - age).as_bytes(),
        ]
        .concat()
    };
    for (number, age) in [
        (2, 1_000),
        (3, 50_000),
        (4, 61_000),
        (5, 3_600_000),
        (1, 3_600_000),
    ] {
        let mut add = redis::cmd("ZADD");
        add.arg(list_name()).arg(LATER).arg(entry(number, age));
        let _: () = add.query_async(&mut admin).await.unwrap();
    }
    assert_eq!(store.of_user(&USER, 10).await.unwrap().len(), 1);
    // Those of 2 and 3, whose records may still be written, and both of 1, whose record is there.
    assert_eq!(entries(&mut admin).await, 4);
}

#[tokio::test]
async fn an_entry_stays_when_its_session_has_another_user() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let (store, mut admin) = (server.store().await, server.admin().await);
    let first = session(1, Some(USER), LATER);
    create(&store, &first).await;
    let version = first.version().next();
    let without = StoredSession::new(*first.key(), version, None, LATER, "sealed");
    assert!(replace(&store, &first, &without).await);
    assert!(store.of_user(&USER, 10).await.unwrap().is_empty());
    assert_eq!(entries(&mut admin).await, 1);
}

#[tokio::test]
async fn what_is_over_is_removed_by_the_server() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let (store, mut admin) = (server.store().await, server.admin().await);
    create(&store, &session(1, None, 1)).await;
    assert_eq!(store.remove_expired(now(), 100).await.unwrap(), 0);
    let mut expire = redis::cmd("PEXPIRE");
    let _: () = expire
        .arg(record_name(1))
        .arg(1)
        .query_async(&mut admin)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(store.load(&key(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn clear_removes_the_sessions_of_this_prefix_and_nothing_else() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let store = server.store().await;
    let other = settings(server.url()).with("SESSION_REDIS_PREFIX", "duck:test2:");
    let other = duck_session::store::RedisCache::open(&other).await.unwrap();
    for number in 0..1500 {
        create(&store, &session(number, Some(USER), LATER)).await;
    }
    create(&other, &session(1, Some(USER), LATER)).await;
    let mut admin = server.admin().await;
    let _: () = redis::cmd("SET")
        .arg("theirs")
        .arg("1")
        .query_async(&mut admin)
        .await
        .unwrap();
    store.clear().await.unwrap();
    assert!(store.page(None, 10).await.unwrap().sessions.is_empty());
    assert!(store.of_user(&USER, 10).await.unwrap().is_empty());
    assert_eq!(other.of_user(&USER, 10).await.unwrap().len(), 1);
    let theirs: bool = redis::cmd("EXISTS")
        .arg("theirs")
        .query_async(&mut admin)
        .await
        .unwrap();
    assert!(theirs);
}

#[tokio::test]
async fn a_record_of_another_format_is_left_where_it_is() {
    if !is_installed() {
        return;
    }
    let server = Server::start(&[]);
    let (store, mut admin) = (server.store().await, server.admin().await);
    create(&store, &session(1, None, LATER)).await;
    let mut set = redis::cmd("SET");
    let _: () = set
        .arg(record_name(2))
        .arg("something else")
        .query_async(&mut admin)
        .await
        .unwrap();
    let page = store.page(None, 10).await.unwrap();
    assert_eq!((page.sessions.len(), page.unreadable), (1, 1));
    let found = store.load(&key(2)).await.unwrap().unwrap();
    assert!(!replace(&store, &found, &next(&found, "2")).await);
    assert!(
        !store
            .create(&session(2, None, LATER), Durability::Crash)
            .await
            .unwrap()
    );
}
