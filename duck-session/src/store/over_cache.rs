use std::time::Duration;

use duck::Result;
use duck::session::SessionError;

use self::list::List;
use self::record::{decode, encode};
use super::{Cache, Durability, Page, SessionKey, SessionStore, StoredSession, UserKey, Version};
use crate::Clock;
use crate::locks::KeyedLocks;
use crate::log::{Log, limited};

mod list;
mod record;

/// How much longer than a session's end the cache keeps it: the clocks may differ, and whether a session
/// is over is not the cache's to decide.
const SLACK: Duration = Duration::from_mins(5);

/// Makes a [`SessionStore`] of any [`Cache`], within one process: a lock for each key lets one writer at a
/// time near a session.
///
/// Beside the sessions, the cache holds a list for each user who is logged in. It names the user's
/// sessions, and maybe others that were the user's once: whoever reads it looks at the sessions.
///
/// `page` is not supported, since a cache cannot list what it holds, and `remove_expired` removes
/// nothing, since a cache forgets by itself.
pub(crate) struct OverCache<C> {
    cache: C,
    clock: Clock,
    sessions: KeyedLocks,
    /// Taken while a lock of `sessions` is held, never the other way round.
    users: KeyedLocks,
    log: Log,
}

impl<C: Cache> OverCache<C> {
    /// The store over `cache`. The clock tells how long a session has to be kept from now on.
    pub(crate) fn new(cache: C, clock: Clock) -> Self {
        Self {
            cache,
            clock,
            sessions: KeyedLocks::new(),
            users: KeyedLocks::new(),
            log: Log::default(),
        }
    }

    /// What is stored under a name. A value that no store wrote is no session.
    async fn read(&self, name: &str, key: &SessionKey) -> Result<Option<StoredSession>> {
        let Some(value) = self.cache.get(name).await? else {
            return Ok(None);
        };
        let session = decode(*key, &value);
        if session.is_none() {
            limited!(
                self.log,
                warn,
                "the cache holds something else in the place of a session"
            );
        }
        Ok(session)
    }

    /// Stores a session, after it was added to the list of its user: a session that is there is listed.
    async fn write(&self, name: &str, session: &StoredSession) -> Result<()> {
        if let Some(user) = session.user() {
            self.add_to_list(user, session).await?;
        }
        let ttl = self.ttl(session.expires());
        self.cache.set(name, &encode(session), Some(ttl)).await?;
        self.cache.save().await
    }

    fn ttl(&self, expires: u64) -> Duration {
        Duration::from_millis(expires.saturating_sub(self.clock.now())).saturating_add(SLACK)
    }

    async fn list(&self, name: &str) -> Result<List> {
        let value = self.cache.get(name).await?;
        Ok(value.map(|value| List::decode(&value)).unwrap_or_default())
    }

    async fn store_list(&self, name: &str, list: &List) -> Result<()> {
        let Some(latest) = list.end() else {
            return self.cache.delete(name).await;
        };
        let ttl = self.ttl(latest);
        self.cache.set(name, &list.encode(), Some(ttl)).await
    }

    async fn add_to_list(&self, user: &UserKey, session: &StoredSession) -> Result<()> {
        let name = list_name(user);
        let _lock = self.users.lock(&name).await;
        let mut list = self.list(&name).await?;
        if list.add(session, self.clock.now()) {
            self.store_list(&name, &list).await?;
        }
        Ok(())
    }

    async fn remove_from_list(&self, user: &UserKey, key: &SessionKey) -> Result<()> {
        let name = list_name(user);
        let _lock = self.users.lock(&name).await;
        let mut list = self.list(&name).await?;
        list.remove(key);
        self.store_list(&name, &list).await
    }
}

impl<C: Cache> SessionStore for OverCache<C> {
    async fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>> {
        self.read(&session_name(key), key).await
    }

    async fn create(&self, session: &StoredSession, _: Durability) -> Result<bool> {
        let name = session_name(session.key());
        let _lock = self.sessions.lock(&name).await;
        let is_free = self.read(&name, session.key()).await?.is_none();
        if is_free {
            self.write(&name, session).await?;
        }
        Ok(is_free)
    }

    async fn replace(
        &self,
        expected: Version,
        session: &StoredSession,
        _: Durability,
    ) -> Result<bool> {
        let name = session_name(session.key());
        let _lock = self.sessions.lock(&name).await;
        let there = self.read(&name, session.key()).await?;
        let is_expected = there.is_some_and(|there| there.version() == expected);
        if is_expected {
            self.write(&name, session).await?;
        }
        Ok(is_expected)
    }

    async fn remove(
        &self,
        key: &SessionKey,
        expected: Option<Version>,
        _: Durability,
    ) -> Result<bool> {
        let name = session_name(key);
        let _lock = self.sessions.lock(&name).await;
        let Some(there) = self.read(&name, key).await? else {
            return Ok(false);
        };
        if expected.is_some_and(|expected| expected != there.version()) {
            return Ok(false);
        }
        self.cache.delete(&name).await?;
        if let Some(user) = there.user() {
            self.remove_from_list(user, key).await?;
        }
        self.cache.save().await?;
        Ok(true)
    }

    async fn of_user(&self, user: &UserKey, limit: usize) -> Result<Vec<StoredSession>> {
        let mut found = Vec::new();
        for key in self.list(&list_name(user)).await?.keys() {
            if found.len() >= limit {
                break;
            }
            let session = self.load(key).await?;
            found.extend(session.filter(|session| session.user() == Some(user)));
        }
        Ok(found)
    }

    async fn remove_expired(&self, _: u64, _: usize) -> Result<usize> {
        Ok(0)
    }

    async fn page(&self, _: Option<&str>, _: usize) -> Result<Page> {
        let why = "a cache cannot list what it holds: that takes a `SessionStore`";
        Err(SessionError::Unsupported(why).into())
    }

    /// Waits for whoever is writing, so that nobody writes back what they read before.
    async fn clear(&self) -> Result<()> {
        let _locks = self.sessions.lock_all().await;
        self.cache.clear().await?;
        self.cache.save().await
    }

    async fn flush(&self) -> Result<()> {
        self.cache.save().await
    }
}

fn session_name(key: &SessionKey) -> String {
    format!("session-{}", key.to_hex())
}

fn list_name(user: &UserKey) -> String {
    format!("user-{}", user.to_hex())
}

#[cfg(test)]
mod tests;
