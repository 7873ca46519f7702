use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;

use super::*;

/// Remembers what was asked of it, with each value's time.
#[derive(Default)]
struct Recorder {
    values: Mutex<HashMap<String, (Bytes, Duration)>>,
    calls: Mutex<Vec<String>>,
}

impl Recorder {
    fn called(&self, method: &str, key: &str) {
        let kind = key.split('-').next().unwrap_or_default();
        let call = format!("{method} {kind}");
        self.calls.lock().unwrap().push(call.trim().to_owned());
    }
}

impl Cache for Recorder {
    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        self.called("set", key);
        let entry = (Bytes::copy_from_slice(value), ttl.unwrap());
        self.values.lock().unwrap().insert(key.to_owned(), entry);
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.called("get", key);
        let values = self.values.lock().unwrap();
        Ok(values.get(key).map(|(value, _)| value.clone()))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.called("delete", key);
        self.values.lock().unwrap().remove(key);
        Ok(())
    }

    async fn clear(&self) -> Result<()> {
        self.called("clear", "");
        Ok(())
    }

    async fn save(&self) -> Result<()> {
        self.called("save", "");
        Ok(())
    }
}

const USER: UserKey = UserKey::from_bytes([1; 16]);
const KEY: SessionKey = SessionKey::from_bytes([7; 16]);
const HOUR: u64 = 3_600_000;

fn store() -> (OverCache<Recorder>, Clock) {
    let clock = Clock::manual();
    let store = OverCache::new(Recorder::default(), clock.clone());
    (store, clock)
}

fn session(key: SessionKey, user: Option<UserKey>, expires: u64) -> StoredSession {
    StoredSession::new(key, Version::first(), user, expires, "bytes")
}

fn calls(store: &OverCache<Recorder>) -> String {
    std::mem::take(&mut *store.cache.calls.lock().unwrap()).join(", ")
}

fn ttl(store: &OverCache<Recorder>, name: &str) -> Duration {
    store.cache.values.lock().unwrap()[name].1
}

#[tokio::test]
async fn each_write_is_saved_and_listed_before_the_session_is_there() {
    let (store, clock) = store();
    let anonymous = session(KEY, None, clock.now() + HOUR);
    assert!(store.create(&anonymous, Durability::Crash).await.unwrap());
    assert_eq!(calls(&store), "get session, set session, save");
    let login = session(KEY, Some(USER), clock.now() + HOUR);
    let expected = anonymous.version();
    let replaced = store.replace(expected, &login, Durability::PowerCut).await;
    assert!(replaced.unwrap());
    let login_calls = "get session, get user, set user, set session, save";
    assert_eq!(calls(&store), login_calls);
    let again = session(KEY, Some(USER), clock.now() + HOUR);
    let replaced = store
        .replace(login.version(), &again, Durability::Crash)
        .await;
    assert!(replaced.unwrap());
    assert_eq!(calls(&store), "get session, get user, set session, save");
    assert!(
        store
            .remove(&KEY, None, Durability::PowerCut)
            .await
            .unwrap()
    );
    let logout_calls = "get session, delete session, get user, delete user, save";
    assert_eq!(calls(&store), logout_calls);
    store.clear().await.unwrap();
    assert_eq!(calls(&store), "clear, save");
}

#[tokio::test]
async fn the_cache_keeps_a_session_longer_than_its_end() {
    let (store, clock) = store();
    let name = session_name(&KEY);
    for (left, expected) in [(HOUR, Duration::from_hours(1) + SLACK), (0, SLACK)] {
        let session = session(KEY, None, clock.now() + left);
        store.write(&name, &session).await.unwrap();
        assert_eq!(ttl(&store, &name), expected);
    }
    let over = session(KEY, None, 0);
    store.write(&name, &over).await.unwrap();
    assert_eq!(ttl(&store, &name), SLACK);
}

#[tokio::test]
async fn a_list_outlives_its_sessions_and_drops_what_is_gone() {
    let (store, clock) = store();
    let (gone, name) = (SessionKey::from_bytes([8; 16]), list_name(&USER));
    let short = session(gone, Some(USER), clock.now() + HOUR);
    store.write(&session_name(&gone), &short).await.unwrap();
    // A session whose end moves on by an hour each hour, for three days.
    for _ in 0..72 {
        let session = session(KEY, Some(USER), clock.now() + 2 * HOUR);
        store.write(&session_name(&KEY), &session).await.unwrap();
        let list = store.list(&name).await.unwrap();
        assert!(list.end().unwrap() > session.expires());
        assert!(ttl(&store, &name) >= ttl(&store, &session_name(&KEY)));
        clock.advance(Duration::from_hours(1));
    }
    let list = store.list(&name).await.unwrap();
    assert_eq!(list.keys().collect::<Vec<_>>(), [&KEY]);
    let writes = calls(&store).matches("set user").count();
    assert!(writes < 12, "the list was written {writes} times");
}

#[tokio::test]
async fn what_no_store_wrote_is_no_session() {
    let (store, clock) = store();
    let good = encode(&session(KEY, Some(USER), clock.now() + HOUR));
    let mut odd = good.clone();
    odd[24] = 2;
    let cut = (0..41).map(|length| good[..length].to_vec());
    for bad in cut.chain([odd, b"<html>".to_vec()]) {
        let name = session_name(&KEY);
        store.cache.set(&name, &bad, Some(SLACK)).await.unwrap();
        assert!(store.load(&KEY).await.unwrap().is_none(), "{bad:?}");
    }
    let (one, list) = (
        session(KEY, Some(USER), clock.now() + HOUR),
        list_name(&USER),
    );
    assert!(store.create(&one, Durability::Crash).await.unwrap());
    store
        .cache
        .set(&list, b"too short", Some(SLACK))
        .await
        .unwrap();
    assert!(store.of_user(&USER, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn it_says_what_it_cannot_do() {
    let (store, _) = store();
    let error = store.page(None, 10).await.unwrap_err();
    assert!(error.to_string().contains("SessionStore"), "{error}");
}
