use duck::Result;
use duck::session::SessionError;

use super::held::{Held, Times};
use super::shard::hash_of;
use super::{InMemoryCache, lock};
use crate::store::page::WRONG_CURSOR;
use crate::store::{Durability, Page, SessionKey, SessionStore, StoredSession, UserKey, Version};

impl InMemoryCache {
    fn hash(&self, key: &SessionKey) -> u64 {
        hash_of(&self.hasher, key.as_bytes())
    }

    fn has(&self, key: &SessionKey) -> bool {
        let hash = self.hash(key);
        self.lock(hash).session(hash, key).is_some()
    }
}

/// How often a new session is put in when it is the one that has to give way: parts take turns at that.
const MOST_TRIES: u32 = 3;

/// Every method is ready at once, and keeps the handle that it is given: nothing is copied.
impl SessionStore for InMemoryCache {
    const IN_PROCESS: bool = true;

    async fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>> {
        let hash = self.hash(key);
        let mut shard = self.lock(hash);
        let Some((place, session)) = shard.session(hash, key) else {
            return Ok(None);
        };
        let session = session.clone();
        shard.use_again(place);
        Ok(Some(session))
    }

    async fn create(&self, session: &StoredSession, _: Durability) -> Result<bool> {
        let hash = self.hash(session.key());
        for _ in 0..MOST_TRIES {
            let held = Held::Session(session.clone());
            self.check_size(&held)?;
            let mut shard = self.lock(hash);
            if shard.session(hash, session.key()).is_some() {
                return Ok(false);
            }
            self.count(&held);
            shard.insert(hash, held);
            drop(shard);
            if !self.make_room() || self.has(session.key()) {
                return Ok(true);
            }
            // It was given up itself: its part had no other, though the next part may.
        }
        Err(SessionError::Full.into())
    }

    async fn replace(
        &self,
        expected: Version,
        session: &StoredSession,
        _: Durability,
    ) -> Result<bool> {
        let held = Held::Session(session.clone());
        self.check_size(&held)?;
        let hash = self.hash(session.key());
        let mut shard = self.lock(hash);
        let place = match shard.session(hash, session.key()) {
            Some((place, there)) if there.version() == expected => place,
            _ => return Ok(false),
        };
        self.count(&held);
        let old = shard.replace(place, held);
        drop(shard);
        self.count_removed([old]);
        self.make_room();
        Ok(true)
    }

    async fn remove(
        &self,
        key: &SessionKey,
        expected: Option<Version>,
        _: Durability,
    ) -> Result<bool> {
        let hash = self.hash(key);
        let mut shard = self.lock(hash);
        let place = match shard.session(hash, key) {
            Some((place, there)) if expected.is_none_or(|it| it == there.version()) => place,
            _ => return Ok(false),
        };
        let removed = shard.remove(place);
        drop(shard);
        self.count_removed([removed]);
        Ok(true)
    }

    async fn of_user(&self, user: &UserKey, limit: usize) -> Result<Vec<StoredSession>> {
        let mut found = Vec::new();
        for shard in &self.shards {
            found.extend(lock(shard).of_user(user, limit - found.len()));
        }
        Ok(found)
    }

    /// Entries whose time is over go too.
    async fn remove_expired(&self, now: u64, limit: usize) -> Result<usize> {
        let now = Times {
            sessions: now,
            entries: self.uptime(),
        };
        Ok(self.sweep(now, limit))
    }

    /// A cursor is a part, and a slot in it, as `3:70`.
    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        let (first, mut from) = match after {
            None => (0, 0),
            Some(cursor) => parse(cursor).ok_or(WRONG_CURSOR)?,
        };
        let mut sessions = Vec::new();
        for (part, shard) in self.shards.iter().enumerate().skip(first) {
            let (found, rest) = lock(shard).page(from, limit.max(1) - sessions.len());
            sessions.extend(found);
            if let Some(slot) = rest {
                return Ok(Page::new(sessions, Some(format!("{part}:{slot}"))));
            }
            from = 0;
        }
        Ok(Page::new(sessions, None))
    }

    async fn clear(&self) -> Result<()> {
        self.clear_what(|held| held.session().is_some());
        Ok(())
    }
}

fn parse(cursor: &str) -> Option<(usize, usize)> {
    let (part, slot) = cursor.split_once(':')?;
    Some((part.parse().ok()?, slot.parse().ok()?))
}
