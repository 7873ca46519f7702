//! Stores with one mistake each: the suite has to find it, under the name of the check meant for it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use duck::session::SessionError;
use duck::{Error, Result};
use duck_session::conformance::{Suite, store};
use duck_session::store::{
    Durability, Page, SessionKey, SessionStore, StoredSession, UserKey, Version,
};
use futures_util::FutureExt;

use super::each_is_found;
use super::guide::{checks, table};

/// Between two steps that should be one: enough for others to get in between.
const MOMENT: Duration = Duration::from_micros(100);

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    KeepsTheFirst,
    KeepsSeconds,
    KeepsEndsAsSigned,
    ForgetsTheUser,
    EndsBytesAtNul,
    CutsLargeSessions,
    KeepsHalfOfTheKey,
    ClearsNothing,
    KeepsTheIndexOnClear,
    FailsToFlushNothing,
    CreatesOverWhatIsThere,
    CreatesOverWhatExpired,
    ComparesCounts,
    ComparesRandoms,
    ReplacesWhateverIsThere,
    BringsBackWhatWasRemoved,
    RemovesNothing,
    RemovesTwice,
    RemovesWhateverIsThere,
    HidesWhatExpired,
    RemovesWhatIsAlive,
    RemovesHalfOfWhatExpired,
    IgnoresTheLimit,
    CountsWhatItLooksAt,
    KeepsTheFirstEnd,
    IndexesLate,
    IndexesAtCreateOnly,
    ListsWhoeverItWas,
    IgnoresTheLimitOfUsers,
    LimitsBeforeItFilters,
    ListsWhatIsGone,
    CountsPlaces,
    TakesAnyCursor,
    CreatesInTwoSteps,
    ReplacesInTwoSteps,
    RemovesInTwoSteps,
    SweepsInTwoSteps,
    WritesInTwoSteps,
    ReindexesInTwoSteps,
    SharesOneBuffer,
    KeepsNothing,
    SharesNothing,
    LoadsFromAFrontCache,
    LocksEachHandle,
    Panics,
}

type Map = BTreeMap<SessionKey, StoredSession>;

#[derive(Default)]
struct Shared {
    map: Mutex<Map>,
    /// Whose a session is or was.
    users: Mutex<HashMap<UserKey, HashSet<SessionKey>>>,
    unsaved: Mutex<bool>,
    buffer: Mutex<Option<StoredSession>>,
}

/// A map with locks, and a mistake.
#[derive(Clone)]
struct BrokenStore {
    mistake: Mistake,
    shared: Arc<Shared>,
    /// What this handle has loaded.
    front: Arc<Mutex<Map>>,
    handle: Arc<Mutex<()>>,
}

impl BrokenStore {
    fn new(mistake: Mistake) -> Self {
        Self {
            mistake,
            shared: Arc::default(),
            front: Arc::default(),
            handle: Arc::default(),
        }
    }

    /// Another handle on the same store.
    fn again(&self) -> Self {
        Self {
            shared: match self.mistake {
                Mistake::SharesNothing | Mistake::KeepsNothing => Arc::default(),
                _ => self.shared.clone(),
            },
            ..Self::new(self.mistake)
        }
    }

    fn is(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }

    fn map(&self) -> MutexGuard<'_, Map> {
        self.shared.map.lock().unwrap()
    }

    /// Lets others in between two steps, with this mistake.
    fn pause<'a>(&'a self, map: MutexGuard<'a, Map>, with: Mistake) -> MutexGuard<'a, Map> {
        if !self.is(with) {
            return map;
        }
        drop(map);
        std::thread::sleep(MOMENT);
        self.map()
    }

    fn key(&self, key: &SessionKey) -> SessionKey {
        let mut bytes = *key.as_bytes();
        if self.is(Mistake::KeepsHalfOfTheKey) {
            bytes[8..].fill(0);
        }
        SessionKey::from_bytes(bytes)
    }

    fn index(&self, session: &StoredSession) {
        if let Some(user) = session.user() {
            let mut users = self.shared.users.lock().unwrap();
            users.entry(*user).or_default().insert(*session.key());
        }
    }

    /// The session as this store keeps it.
    fn kept(&self, session: &StoredSession) -> StoredSession {
        let (mut user, mut expires) = (session.user().copied(), session.expires());
        let mut bytes = session.bytes().clone();
        match self.mistake {
            Mistake::KeepsSeconds => expires -= expires % 1000,
            Mistake::KeepsEndsAsSigned => expires = expires.min(i64::MAX as u64),
            Mistake::ForgetsTheUser => user = None,
            Mistake::EndsBytesAtNul => {
                let end = bytes.iter().position(|byte| *byte == 0);
                bytes.truncate(end.unwrap_or(bytes.len()));
            }
            Mistake::CutsLargeSessions => bytes.truncate(65_535),
            _ => {}
        }
        StoredSession::new(*session.key(), session.version(), user, expires, bytes)
    }

    fn put(&self, map: &mut Map, session: &StoredSession) {
        map.insert(self.key(session.key()), self.kept(session));
        *self.shared.unsaved.lock().unwrap() = true;
    }

    fn expects(&self, there: Version, expected: Version) -> bool {
        match self.mistake {
            Mistake::ComparesCounts => there.count == expected.count,
            Mistake::ComparesRandoms => there.random == expected.random,
            Mistake::ReplacesWhateverIsThere => true,
            _ => there == expected,
        }
    }
}

impl SessionStore for BrokenStore {
    const SHARED: bool = true;

    async fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>> {
        let mut front = self.front.lock().unwrap();
        if self.is(Mistake::LoadsFromAFrontCache)
            && let Some(session) = front.get(key)
        {
            return Ok(Some(session.clone()));
        }
        let found = self.map().get(&self.key(key)).cloned();
        let hides = self.is(Mistake::HidesWhatExpired);
        let found = found.filter(|session| !hides || session.expires() > now());
        front.extend(found.clone().map(|session| (*key, session)));
        Ok(found)
    }

    async fn create(&self, session: &StoredSession, _: Durability) -> Result<bool> {
        self.front.lock().unwrap().remove(session.key());
        let mut map = self.map();
        let there = map.get(&self.key(session.key()));
        let is_taken = match self.mistake {
            Mistake::CreatesOverWhatIsThere => false,
            Mistake::CreatesOverWhatExpired => there.is_some_and(|there| there.expires() > now()),
            _ => there.is_some(),
        };
        map = self.pause(map, Mistake::CreatesInTwoSteps);
        if is_taken {
            return Ok(false);
        }
        if self.is(Mistake::SharesOneBuffer) {
            drop(map);
            *self.shared.buffer.lock().unwrap() = Some(session.clone());
            std::thread::sleep(MOMENT);
            let session = self.shared.buffer.lock().unwrap().clone().unwrap();
            self.put(&mut self.map(), &session);
            return Ok(true);
        }
        if !self.is(Mistake::IndexesLate) {
            self.index(session);
        }
        self.put(&mut map, session);
        Ok(true)
    }

    async fn replace(
        &self,
        expected: Version,
        session: &StoredSession,
        _: Durability,
    ) -> Result<bool> {
        assert!(!self.is(Mistake::Panics), "on purpose");
        self.front.lock().unwrap().remove(session.key());
        let locks = self.is(Mistake::LocksEachHandle);
        let _handle = locks.then(|| self.handle.lock().unwrap());
        let mut map = self.map();
        let there = map.get(&self.key(session.key())).cloned();
        let replaces = match &there {
            None => self.is(Mistake::BringsBackWhatWasRemoved),
            Some(there) => self.expects(there.version(), expected),
        };
        map = self.pause(map, Mistake::ReplacesInTwoSteps);
        map = self.pause(map, Mistake::LocksEachHandle);
        if !replaces {
            return Ok(false);
        }
        let mut session = session.clone();
        let (key, version, user) = (*session.key(), session.version(), session.user().copied());
        if let Some(there) = &there {
            match self.mistake {
                Mistake::KeepsTheFirst => return Ok(true),
                Mistake::KeepsTheFirstEnd => {
                    let bytes = session.bytes().clone();
                    session = StoredSession::new(key, version, user, there.expires(), bytes);
                }
                Mistake::WritesInTwoSteps => {
                    let bytes = there.bytes().clone();
                    let half = StoredSession::new(key, version, user, there.expires(), bytes);
                    self.put(&mut map, &half);
                }
                Mistake::ReindexesInTwoSteps => {
                    let mut users = self.shared.users.lock().unwrap();
                    let its = there.user().and_then(|user| users.get_mut(user));
                    its.map(|its| its.remove(&key));
                }
                _ => {}
            }
        }
        map = self.pause(map, Mistake::WritesInTwoSteps);
        map = self.pause(map, Mistake::ReindexesInTwoSteps);
        if !self.is(Mistake::IndexesAtCreateOnly) {
            self.index(&session);
        }
        self.put(&mut map, &session);
        Ok(true)
    }

    async fn remove(
        &self,
        key: &SessionKey,
        expected: Option<Version>,
        _: Durability,
    ) -> Result<bool> {
        self.front.lock().unwrap().remove(key);
        let mut map = self.map();
        let there = map.get(&self.key(key)).map(StoredSession::version);
        let is_expected = there.is_some_and(|there| {
            self.is(Mistake::RemovesWhateverIsThere)
                || expected.is_none_or(|expected| self.expects(there, expected))
        });
        map = self.pause(map, Mistake::RemovesInTwoSteps);
        if self.is(Mistake::RemovesTwice) && there.is_none() {
            return Ok(true);
        }
        if is_expected && !self.is(Mistake::RemovesNothing) {
            map.remove(&self.key(key));
        }
        Ok(is_expected)
    }

    async fn of_user(&self, user: &UserKey, limit: usize) -> Result<Vec<StoredSession>> {
        let users = self.shared.users.lock().unwrap().clone();
        let keys = users.get(user).into_iter().flatten();
        let load = |key: &SessionKey| {
            let gone = || StoredSession::new(*key, Version::first(), Some(*user), 0, "");
            let found = self.map().get(&self.key(key)).cloned();
            found.or_else(|| self.is(Mistake::ListsWhatIsGone).then(gone))
        };
        let any = self.is(Mistake::ListsWhoeverItWas);
        let its = |session: &StoredSession| any || session.user() == Some(user);
        Ok(match self.mistake {
            Mistake::IgnoresTheLimitOfUsers => keys.filter_map(load).filter(its).collect(),
            Mistake::LimitsBeforeItFilters => {
                keys.take(limit).filter_map(load).filter(its).collect()
            }
            _ => keys.filter_map(load).filter(its).take(limit).collect(),
        })
    }

    async fn remove_expired(&self, now: u64, limit: usize) -> Result<usize> {
        let map = self.map();
        let alive = self.is(Mistake::RemovesWhatIsAlive);
        let expired = map
            .values()
            .filter(|session| alive || session.expires() < now);
        let mut keys: Vec<_> = expired.map(|session| *session.key()).collect();
        if self.is(Mistake::RemovesHalfOfWhatExpired) {
            keys.truncate(keys.len().div_ceil(2));
        }
        if !self.is(Mistake::IgnoresTheLimit) {
            keys.truncate(limit);
        }
        let looked_at = map.len().min(limit);
        let mut map = self.pause(map, Mistake::SweepsInTwoSteps);
        map.retain(|_, session| !keys.contains(session.key()));
        Ok(match self.mistake {
            Mistake::CountsWhatItLooksAt => looked_at,
            Mistake::IgnoresTheLimit => keys.len().min(limit),
            _ => keys.len(),
        })
    }

    /// In the order of the keys; with the mistake, by counting from the front.
    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        let map = self.map();
        let wrong = || SessionError::Unsupported("a page begins where another one ended");
        let counts = self.is(Mistake::CountsPlaces);
        let begin = match after {
            None => 0,
            Some(count) if counts => count.parse()?,
            Some(after) => match SessionKey::from_hex(after) {
                Some(after) => map.keys().filter(|key| **key <= after).count(),
                None if self.is(Mistake::TakesAnyCursor) => 0,
                None => return Err(wrong().into()),
            },
        };
        let sessions: Vec<_> = map.values().skip(begin).take(limit).cloned().collect();
        let next = sessions.last().map(|last| {
            if counts {
                (begin + sessions.len()).to_string()
            } else {
                last.key().to_hex()
            }
        });
        Ok(Page::new(sessions, next))
    }

    async fn clear(&self) -> Result<()> {
        if !self.is(Mistake::ClearsNothing) {
            let mut map = self.map();
            let listed = self.is(Mistake::KeepsTheIndexOnClear);
            map.retain(|_, session| listed && session.user().is_some());
            self.front.lock().unwrap().clear();
        }
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        let unsaved = std::mem::take(&mut *self.shared.unsaved.lock().unwrap());
        if !unsaved && self.is(Mistake::FailsToFlushNothing) {
            return Err(Error::internal("there is nothing to flush"));
        }
        Ok(())
    }
}

fn now() -> u64 {
    duck_session::Clock::default().now()
}

fn suite(mistake: Mistake) -> Suite {
    let broken = BrokenStore::new(mistake);
    let suite = store::suite(move || std::future::ready(broken.again()));
    match mistake {
        Mistake::SharesNothing => suite.is_shared(),
        Mistake::KeepsNothing => suite.outlives_a_restart(),
        _ => suite.is_shared().outlives_a_restart(),
    }
}

/// What is wrong, and which check says so.
const FOUND_BY: [(Mistake, &str); 58] = [
    (Mistake::KeepsTheFirst, "loads_what_was_stored"),
    (Mistake::LoadsFromAFrontCache, "is_one_store"),
    (Mistake::KeepsSeconds, "keeps_every_field"),
    (Mistake::KeepsEndsAsSigned, "keeps_every_field"),
    (Mistake::ForgetsTheUser, "keeps_every_field"),
    (Mistake::EndsBytesAtNul, "keeps_any_bytes"),
    (Mistake::CutsLargeSessions, "keeps_large_sessions"),
    (Mistake::KeepsHalfOfTheKey, "keeps_keys_apart"),
    (Mistake::ClearsNothing, "clears"),
    (Mistake::KeepsTheIndexOnClear, "clears"),
    (Mistake::FailsToFlushNothing, "flushes_at_any_time"),
    (
        Mistake::CreatesOverWhatIsThere,
        "creates_only_under_a_free_key",
    ),
    (
        Mistake::ComparesCounts,
        "replaces_only_the_expected_version",
    ),
    (
        Mistake::ComparesRandoms,
        "replaces_only_the_expected_version",
    ),
    (
        Mistake::ReplacesWhateverIsThere,
        "replaces_only_the_expected_version",
    ),
    (
        Mistake::BringsBackWhatWasRemoved,
        "keeps_what_was_removed_gone",
    ),
    (Mistake::RemovesNothing, "removes"),
    (Mistake::RemovesTwice, "removes"),
    (Mistake::ComparesCounts, "removes_only_the_expected_version"),
    (
        Mistake::RemovesWhateverIsThere,
        "removes_only_the_expected_version",
    ),
    (Mistake::HidesWhatExpired, "loads_what_expired"),
    (Mistake::CreatesOverWhatExpired, "loads_what_expired"),
    (Mistake::RemovesWhatIsAlive, "removes_only_what_expired"),
    (
        Mistake::RemovesHalfOfWhatExpired,
        "removes_only_what_expired",
    ),
    (Mistake::IgnoresTheLimit, "removes_no_more_than_asked"),
    (Mistake::CountsWhatItLooksAt, "removes_no_more_than_asked"),
    (Mistake::KeepsTheFirstEnd, "spares_what_was_prolonged"),
    (Mistake::IndexesLate, "finds_sessions_of_a_user"),
    (Mistake::IndexesAtCreateOnly, "follows_a_change_of_user"),
    (Mistake::ListsWhoeverItWas, "follows_a_change_of_user"),
    (Mistake::IgnoresTheLimitOfUsers, "gives_no_more_than_asked"),
    (Mistake::LimitsBeforeItFilters, "gives_no_more_than_asked"),
    (Mistake::ListsWhatIsGone, "forgets_what_is_gone"),
    (Mistake::CountsPlaces, "lists_each_session_once"),
    (Mistake::TakesAnyCursor, "refuses_a_wrong_cursor"),
    (Mistake::CreatesInTwoSteps, "lets_one_of_many_create"),
    (Mistake::ReplacesInTwoSteps, "loses_no_replace"),
    (Mistake::ReplacesInTwoSteps, "lets_no_replace_undo_a_remove"),
    (Mistake::RemovesInTwoSteps, "lets_one_of_many_remove"),
    (Mistake::SweepsInTwoSteps, "spares_what_is_being_prolonged"),
    (Mistake::WritesInTwoSteps, "shows_whole_sessions"),
    (Mistake::ReindexesInTwoSteps, "keeps_users_listed"),
    (Mistake::SharesOneBuffer, "keeps_writers_apart"),
    (Mistake::KeepsNothing, "is_there_after_reopening"),
    (Mistake::SharesNothing, "is_one_store"),
    (Mistake::SharesNothing, "handles_race_as_threads_do"),
    (Mistake::LocksEachHandle, "handles_race_as_threads_do"),
    (Mistake::CreatesInTwoSteps, "handles_race_as_threads_do"),
    (Mistake::Panics, "loads_what_was_stored"),
    (Mistake::ForgetsTheUser, "finds_sessions_of_a_user"),
    (Mistake::ListsWhatIsGone, "clears"),
    (Mistake::RemovesNothing, "knows_a_visitor_again"),
    (Mistake::ReplacesInTwoSteps, "counts_parallel_updates"),
    (Mistake::ReplacesWhateverIsThere, "keeps_both_keys"),
    (Mistake::BringsBackWhatWasRemoved, "keeps_a_logout"),
    (Mistake::ReplacesWhateverIsThere, "gives_up_the_old_id"),
    (Mistake::KeepsNothing, "outlive_the_site"),
    (Mistake::SharesNothing, "two_sites_share"),
];

#[tokio::test]
async fn without_a_mistake_nothing_is_found() {
    let report = suite(Mistake::None).report().await;
    assert!(report.is_kept(), "{report}");
}

#[tokio::test]
async fn each_mistake_is_found_by_the_check_meant_for_it() {
    each_is_found(&FOUND_BY, suite).await;
}

#[tokio::test]
async fn the_guide_lists_every_check_of_a_store() {
    let report = suite(Mistake::None).only("none of them").report().await;
    let listed = table("What is asked of a store");
    assert_eq!(listed, checks(&report));
    let names: HashSet<_> = listed.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, FOUND_BY.map(|(_, name)| name).into());
}

#[tokio::test]
async fn the_message_names_the_promise_and_what_was_seen() {
    let running = store::suite(|| async { BrokenStore::new(Mistake::RemovesNothing) }).run();
    let panic = AssertUnwindSafe(running).catch_unwind().await.unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(
        text.contains("\nremoves: a removed session is gone"),
        "{text}"
    );
    assert!(text.contains("after `remove`, version 0/"), "{text}");
    assert!(text.contains("was loaded in place of nothing"), "{text}");
    assert!(!text.contains("keeps_any_bytes: "), "{text}");
    // Sessions over it would break for the same reason: they are not tried.
    assert!(!text.contains("knows_a_visitor_again: "), "{text}");
}
