use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::super::promise::Open;
use super::super::verdict::{Broken, Verdict, ensure};
use crate::clock::millis;
use crate::store::{Durability, SessionKey, SessionStore, StoredSession, UserKey, Version};
use crate::{Clock, SessionMiddleware};

/// Longer than any check takes.
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// A store on trial: its methods, with errors that say which of them failed.
pub(super) struct Trial<S> {
    pub(super) store: Arc<S>,
    open: Open<S>,
}

impl<S> Clone for Trial<S> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            open: self.open.clone(),
        }
    }
}

impl<S: SessionStore> Trial<S> {
    pub(super) async fn begin(open: Open<S>) -> Self {
        let store = Arc::new(open().await);
        Self { store, open }
    }

    /// The same trial, with the store opened again beside the one that is open.
    pub(super) async fn opened_again(&self) -> Self {
        Self::begin(self.open.clone()).await
    }

    /// The same trial, with the store closed and opened again.
    pub(super) async fn reopened(self) -> Self {
        let Self { store, open } = self;
        drop(store);
        Self::begin(open).await
    }

    /// Sessions over the store, which is registered under this name.
    pub(super) fn sessions(&self, name: &str) -> SessionMiddleware {
        let store = self.store.clone();
        SessionMiddleware::new().store(name, move |_| {
            let store = store.clone();
            async { Ok(store) }
        })
    }

    pub(super) async fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>, Broken> {
        let loaded = self.store.load(key).await;
        loaded.map_err(|error| Broken::failed("`load`", &error))
    }

    pub(super) async fn create(&self, session: &StoredSession) -> Result<bool, Broken> {
        let created = self.store.create(session, durability(session)).await;
        created.map_err(|error| Broken::failed("`create`", &error))
    }

    pub(super) async fn replace(
        &self,
        expected: Version,
        session: &StoredSession,
    ) -> Result<bool, Broken> {
        let durability = durability(session);
        let replaced = self.store.replace(expected, session, durability).await;
        replaced.map_err(|error| Broken::failed("`replace`", &error))
    }

    pub(super) async fn remove(
        &self,
        key: &SessionKey,
        expected: Option<Version>,
    ) -> Result<bool, Broken> {
        let durability = match expected {
            None => Durability::PowerCut,
            Some(_) => Durability::Crash,
        };
        let removed = self.store.remove(key, expected, durability).await;
        removed.map_err(|error| Broken::failed("`remove`", &error))
    }

    pub(super) async fn of_user(
        &self,
        user: &UserKey,
        limit: usize,
    ) -> Result<Vec<StoredSession>, Broken> {
        let found = self.store.of_user(user, limit).await;
        let found = found.map_err(|error| Broken::failed("`of_user`", &error))?;
        ensure(found.len() <= limit, || {
            format!("`of_user` of {limit} gave {} sessions", found.len())
        })?;
        ensure(
            found.iter().all(|session| session.user() == Some(user)),
            || "`of_user` gave a session that is not the user's".to_owned(),
        )?;
        Ok(found)
    }

    pub(super) async fn remove_expired(&self, limit: usize) -> Result<usize, Broken> {
        let removed = self.store.remove_expired(now(), limit).await;
        let removed = removed.map_err(|error| Broken::failed("`remove_expired`", &error))?;
        ensure(removed <= limit, || {
            format!("`remove_expired` of {limit} says that it removed {removed}")
        })?;
        Ok(removed)
    }

    pub(super) async fn clear(&self) -> Verdict {
        let done = self.store.clear().await;
        done.map_err(|error| Broken::failed("`clear`", &error))
    }

    pub(super) async fn flush(&self) -> Verdict {
        let done = self.store.flush().await;
        done.map_err(|error| Broken::failed("`flush`", &error))
    }

    /// Creates a session: the key has to be free.
    pub(super) async fn begin_session(&self, session: &StoredSession, when: &str) -> Verdict {
        ensure(self.create(session).await?, || {
            format!("{when}, `create` under a free key gave false")
        })
    }

    /// Creates so many sessions, of nobody and of this user by turns.
    pub(super) async fn begin_sessions(
        &self,
        count: usize,
        user: UserKey,
    ) -> Result<Vec<StoredSession>, Broken> {
        let mut sessions = Vec::new();
        for number in 0..count {
            let session = if number % 2 == 0 {
                new("1")
            } else {
                new_of(user)
            };
            self.begin_session(&session, "among others").await?;
            sessions.push(session);
        }
        Ok(sessions)
    }

    /// Replaces `old`: it has to be what is there.
    pub(super) async fn swap(
        &self,
        old: &StoredSession,
        new: &StoredSession,
        when: &str,
    ) -> Verdict {
        ensure(self.replace(old.version(), new).await?, || {
            format!("{when}, `replace` of the version that is there gave false")
        })
    }

    /// Removes what has to be there.
    pub(super) async fn end(&self, session: &StoredSession, when: &str) -> Verdict {
        ensure(self.remove(session.key(), None).await?, || {
            format!("{when}, `remove` of a session that is there gave false")
        })
    }

    /// Loads a session: it has to be this one in every field.
    pub(super) async fn expect(&self, session: &StoredSession, when: &str) -> Verdict {
        let loaded = self.load(session.key()).await?;
        let is_same = loaded.as_ref().is_some_and(|loaded| same(loaded, session));
        ensure(is_same, || {
            let (loaded, session) = (shown(loaded.as_ref()), shown(Some(session)));
            format!("{when}, {loaded} was loaded in place of {session}")
        })
    }

    /// Loads a session: nothing may be there.
    pub(super) async fn expect_none(&self, key: &SessionKey, when: &str) -> Verdict {
        let loaded = self.load(key).await?;
        ensure(loaded.is_none(), || {
            let loaded = shown(loaded.as_ref());
            format!("{when}, {loaded} was loaded in place of nothing")
        })
    }

    /// Asks for the sessions of a user: these and no others.
    pub(super) async fn expect_of_user(
        &self,
        user: &UserKey,
        sessions: &[&StoredSession],
        when: &str,
    ) -> Verdict {
        let found = self.of_user(user, 1000).await?;
        let is_found = |session: &&&StoredSession| found.iter().any(|found| same(found, session));
        let (there, all) = (sessions.iter().filter(is_found).count(), sessions.len());
        ensure(there == all && found.len() == all, || {
            let found = found.len();
            format!(
                "{when}, `of_user` gave {there} of {all} sessions as they are, and {found} in all"
            )
        })
    }
}

/// The system's clock, in milliseconds since 1970.
pub(super) fn now() -> u64 {
    Clock::default().now()
}

/// An end that no check lives to see.
pub(super) fn later() -> u64 {
    now() + millis(HOUR)
}

/// An end that is just over: a store that deletes by its own clock still has the session.
pub(super) fn over() -> u64 {
    now() - 1000
}

/// A key that no other check uses.
pub(super) fn any_key() -> SessionKey {
    SessionKey::from_bytes(*Uuid::new_v4().as_bytes())
}

/// A user that no other check knows.
pub(super) fn any_user() -> UserKey {
    UserKey::from_bytes(*Uuid::new_v4().as_bytes())
}

/// A new session of nobody, an hour long.
pub(super) fn new(bytes: impl AsRef<[u8]>) -> StoredSession {
    let bytes = bytes.as_ref().to_vec();
    StoredSession::new(any_key(), Version::first(), None, later(), bytes)
}

/// A new session of a user, an hour long.
pub(super) fn new_of(user: UserKey) -> StoredSession {
    StoredSession::new(any_key(), Version::first(), Some(user), later(), "1")
}

/// The version after this one, with these bytes.
pub(super) fn next(session: &StoredSession, bytes: impl AsRef<[u8]>) -> StoredSession {
    let (user, bytes) = (session.user().copied(), bytes.as_ref().to_vec());
    after(session, user, session.expires(), bytes.into())
}

/// The version after this one, with this end.
pub(super) fn ends(session: &StoredSession, expires: u64) -> StoredSession {
    let (user, bytes) = (session.user().copied(), session.bytes().clone());
    after(session, user, expires, bytes)
}

/// The version after this one, with this user.
pub(super) fn belongs(session: &StoredSession, user: Option<UserKey>) -> StoredSession {
    after(session, user, session.expires(), session.bytes().clone())
}

fn after(
    session: &StoredSession,
    user: Option<UserKey>,
    expires: u64,
    bytes: Bytes,
) -> StoredSession {
    let (key, version) = (*session.key(), session.version().next());
    StoredSession::new(key, version, user, expires, bytes)
}

/// Whether two are one session in one version, as far as anybody can see.
pub(super) fn same(one: &StoredSession, two: &StoredSession) -> bool {
    let fields = |session: &StoredSession| {
        let user = session.user().copied();
        (*session.key(), session.version(), user, session.expires())
    };
    fields(one) == fields(two) && one.bytes() == two.bytes()
}

/// Both are used: what is a user's has to survive a power cut.
fn durability(session: &StoredSession) -> Durability {
    match session.user() {
        None => Durability::Crash,
        Some(_) => Durability::PowerCut,
    }
}

/// A session for a message: the fields that are no secret, and the first of its bytes.
pub(super) fn shown(session: Option<&StoredSession>) -> String {
    const MOST: usize = 40;
    let Some(session) = session else {
        return "nothing".to_owned();
    };
    let bytes = session.bytes();
    let first = bytes[..bytes.len().min(MOST)].escape_ascii();
    let (version, expires) = (session.version(), session.expires());
    let user = if session.user().is_some() {
        "with"
    } else {
        "without"
    };
    format!(
        "version {}/{:x} {user} a user, until {expires}, with {} bytes b\"{first}\"",
        version.count,
        version.random,
        bytes.len()
    )
}
