use std::time::Duration;

use bytes::Bytes;
use duck_core::{
    Changes, Commit, Identity, NewCookie, Record, SessionData, SessionError, SessionId,
};
use tokio::sync::MutexGuard;

use super::{CacheEngine, Opened, new_cookie, record};
use crate::cache::Cache;
use crate::header::{Header, Kind};
use crate::seal::Handle;

/// How often a write is tried again when others were faster. Of two processes that write one
/// session without a pause each wins half of the rounds: with 8 tries (rule 25) one in some hundred
/// requests gave up, with 32 none does.
pub(super) const MOST_TRIES: u32 = 32;

/// A session as it was seen, and what is to become of it.
pub(super) struct Version {
    pub(super) id: SessionId,
    pub(super) handle: Handle,
    pub(super) seen: Bytes,
    pub(super) header: Header,
    pub(super) data: SessionData,
}

/// How a write went.
enum Tried {
    Written(Record, Option<NewCookie>),
    /// Somebody else was faster.
    Overtaken,
    /// The session's time came while the request ran.
    Over,
}

impl<C: Cache> CacheEngine<C> {
    /// Writes what a request changed: all but the plain [`save`](Self::save) of a session that stays.
    pub(super) async fn write(
        &self,
        old: &Record,
        data: SessionData,
        changes: &Changes,
    ) -> Result<Commit, SessionError> {
        if self.lifetimes.is_over(&data, &self.clock) {
            return self.end(old).await;
        }
        match changes.identity {
            Identity::End => self.replace(old, data).await,
            Identity::Keep => self.save(&mut self.version(old, data)?, changes).await,
            Identity::Renew | Identity::Login => {
                self.renew(self.version(old, data)?, changes).await
            }
        }
    }

    /// A record that is to hold other data.
    pub(super) fn version(
        &self,
        record: &Record,
        data: SessionData,
    ) -> Result<Version, SessionError> {
        let (id, handle, header) = self.place(record)?;
        Ok(Version {
            id,
            handle,
            seen: record.bytes.clone(),
            header,
            data,
        })
    }

    /// The data to write.
    pub(super) fn data(&self, changes: &mut Changes) -> Result<SessionData, SessionError> {
        match changes.take_data() {
            Some(data) => Ok(data),
            None => self.replay(changes),
        }
    }

    /// The changes on top of what was loaded.
    fn replay(&self, changes: &Changes) -> Result<SessionData, SessionError> {
        let mut data = match &changes.record {
            Some(old) if changes.identity != Identity::End => {
                let (_, handle, header) = self.place(old)?;
                let data = self.sealer.open(handle.as_bytes(), &header, &old.bytes);
                data.unwrap_or_default()
            }
            _ => SessionData::default(),
        };
        changes.apply(&mut data)?;
        Ok(data)
    }

    /// Creates a session, unless it would be empty.
    pub(super) async fn begin(
        &self,
        data: SessionData,
        identity: Identity,
    ) -> Result<Commit, SessionError> {
        if data.is_blank() || self.lifetimes.is_over(&data, &self.clock) {
            return Ok(if identity == Identity::End {
                Commit::Ended
            } else {
                Commit::Unchanged
            });
        }
        let now = self.clock.now();
        let header = self.fresh(&data, identity, now, None);
        let (id, bytes, header) = self.create(header, &data, identity, now).await?;
        tracing::debug!(target: "duck_session", "a session was created");
        let cookie = Some(new_cookie(id, &header, now));
        Ok(Commit::Saved {
            record: record(id, bytes, &header),
            data,
            cookie,
        })
    }

    /// Stores a record under an id that is not there yet.
    pub(super) async fn create(
        &self,
        mut header: Header,
        data: &SessionData,
        identity: Identity,
        now: u64,
    ) -> Result<(SessionId, Bytes, Header), SessionError> {
        loop {
            let mut random = [0; 32];
            getrandom::fill(&mut random).map_err(SessionError::store)?;
            let id = SessionId::from_bytes(random);
            let handle = self.sealer.handle(&id);
            let bytes = self.seal(&handle, &mut header, data)?;
            // No lock, whatever the cache: nobody else knows this id.
            let entry = self.entry(&bytes, &header, identity, now);
            if self.swap(&handle, None, entry).await? {
                return Ok((id, bytes, header));
            }
        }
    }

    /// The header of a session that begins now, or goes on from `old` under a new id.
    pub(super) fn fresh(
        &self,
        data: &SessionData,
        identity: Identity,
        now: u64,
        old: Option<&Header>,
    ) -> Header {
        let logged_in = match old {
            Some(_) => identity == Identity::Login,
            None => identity == Identity::Login || data.get("_duck.user").is_some(),
        };
        let mut header = Header {
            kind: Kind::Live,
            persistent: true,
            readable: false,
            key: [0; 8],
            version: old.map_or(0, |old| old.version + 1),
            created: old.map_or(now, |old| old.created),
            issued: now,
            auth: if logged_in {
                now
            } else {
                old.map_or(0, |old| old.auth)
            },
            touched: now,
            expires: 0,
            age: 0,
        };
        self.lifetimes.extend(&mut header, data, now, true);
        header
    }

    /// Moves the end of a session that was visited and not changed. It cannot revert anything: if
    /// the record is no longer what was seen, somebody else has moved its end. A storage that
    /// cannot write lets the session live on until its end as it was.
    pub(super) async fn prolong(&self, old: &Record) -> Commit {
        match self.try_prolong(old).await {
            Ok(commit) => commit,
            Err(error) => {
                tracing::warn!(target: "duck_session", %error, "the end of a session could not be moved");
                Commit::Unchanged
            }
        }
    }

    async fn try_prolong(&self, old: &Record) -> Result<Commit, SessionError> {
        let (_, handle, _) = self.place(old)?;
        let Opened::Live(_, data) = self.open(&handle, &old.bytes) else {
            return Ok(Commit::Unchanged);
        };
        let mut version = self.version(old, data)?;
        let _one_at_a_time = self.lock_unless_atomic(&handle).await;
        match self.try_save(&mut version, true).await? {
            Tried::Written(record, cookie) => Ok(saved(record, &mut version, cookie)),
            Tried::Overtaken | Tried::Over => Ok(Commit::Unchanged),
        }
    }

    /// Writes the changes over the record they were made on, or over a newer one.
    pub(super) async fn save(
        &self,
        version: &mut Version,
        changes: &Changes,
    ) -> Result<Commit, SessionError> {
        if !C::ATOMIC {
            return Box::pin(self.save_in_turn(version, changes, false)).await;
        }
        match self.try_save(version, changes.forced).await? {
            Tried::Written(record, cookie) => Ok(saved(record, version, cookie)),
            Tried::Overtaken => Box::pin(self.save_in_turn(version, changes, true)).await,
            Tried::Over => Ok(gone()),
        }
    }

    /// Makes the changes again on what others saved, until nobody is faster. Those who lost wait for
    /// each other here, so that only other processes can be.
    async fn save_in_turn(
        &self,
        version: &mut Version,
        changes: &Changes,
        mut overtaken: bool,
    ) -> Result<Commit, SessionError> {
        let handle = version.handle;
        let _one_at_a_time = self.locks.lock(handle.as_str()).await;
        for attempt in 0..MOST_TRIES {
            if overtaken {
                let Some(newer) = self.newer(version).await? else {
                    return Ok(gone());
                };
                *version = newer;
                changes.apply(&mut version.data)?;
            }
            match self.try_save(version, changes.forced).await? {
                Tried::Written(record, cookie) => return Ok(saved(record, version, cookie)),
                Tried::Overtaken => self.back_off(attempt).await,
                Tried::Over => return Ok(gone()),
            }
            overtaken = true;
        }
        Err(SessionError::Conflict)
    }

    /// Swaps a record for the one that was seen.
    async fn try_save(&self, version: &mut Version, forced: bool) -> Result<Tried, SessionError> {
        let now = self.clock.now();
        let Version {
            id,
            handle,
            seen,
            header,
            data,
        } = version;
        if self.lifetimes.end(header) <= now {
            return Ok(Tried::Over);
        }
        header.version += 1;
        let send_cookie = self.lifetimes.extend(header, data, now, forced);
        let bytes = self.seal(handle, header, data)?;
        let entry = self.entry(&bytes, header, Identity::Keep, now);
        if !self.swap(handle, Some(seen), entry).await? {
            return Ok(Tried::Overtaken);
        }
        let cookie = send_cookie.then(|| new_cookie(*id, header, now));
        Ok(Tried::Written(record(*id, bytes, header), cookie))
    }

    /// A session as somebody else left it; `None` if it is over.
    pub(super) async fn newer(&self, old: &Version) -> Result<Option<Version>, SessionError> {
        let Some(seen) = self.fetch(&old.handle).await? else {
            return Ok(None);
        };
        Ok(match self.open(&old.handle, &seen) {
            Opened::Live(header, data) => Some(Version {
                id: old.id,
                handle: old.handle,
                seen,
                header,
                data,
            }),
            Opened::Moved(_) | Opened::Dead | Opened::Unreadable => None,
        })
    }

    /// Those who lost wait for each other, and then a little, by chance: two processes must not
    /// keep in step.
    pub(super) async fn stand_in_line<'a>(
        &'a self,
        handle: &Handle,
        one_at_a_time: &mut Option<MutexGuard<'a, ()>>,
        attempt: u32,
    ) {
        if one_at_a_time.is_none() {
            *one_at_a_time = Some(self.locks.lock(handle.as_str()).await);
        } else {
            self.back_off(attempt).await;
        }
    }

    /// Waits a little, by chance: two processes must not keep in step.
    async fn back_off(&self, attempt: u32) {
        let pause = fastrand::u64(50..500 << attempt.min(6));
        tokio::time::sleep(Duration::from_micros(pause)).await;
    }

    /// A cache that cannot compare and swap in one step is kept to one writer a key.
    pub(super) async fn lock_unless_atomic(&self, handle: &Handle) -> Option<MutexGuard<'_, ()>> {
        if C::ATOMIC {
            None
        } else {
            Some(self.locks.lock(handle.as_str()).await)
        }
    }

    /// Ends a session, also where another request gave it a new id meanwhile.
    async fn end(&self, old: &Record) -> Result<Commit, SessionError> {
        let (_, handle, _) = self.place(old)?;
        let mut next = self.remove(&handle, Some(old.bytes.clone())).await?;
        while let Some(handle) = next {
            next = self.remove(&handle, None).await?;
        }
        tracing::info!(target: "duck_session", "a session ended");
        Ok(Commit::Ended)
    }

    /// Removes a record, last seen as these bytes. If the session has moved on, says where to: the
    /// tombstone stays.
    async fn remove(
        &self,
        handle: &Handle,
        mut seen: Option<Bytes>,
    ) -> Result<Option<Handle>, SessionError> {
        let mut one_at_a_time = self.lock_unless_atomic(handle).await;
        for attempt in 0..MOST_TRIES {
            if let Some(bytes) = &seen
                && self.swap_out(handle, bytes).await?
            {
                return Ok(None);
            }
            if attempt > 0 {
                self.stand_in_line(handle, &mut one_at_a_time, attempt)
                    .await;
            }
            seen = self.fetch(handle).await?;
            match seen.as_ref().map(|bytes| self.open(handle, bytes)) {
                None => return Ok(None),
                Some(Opened::Moved(to)) => return Ok(to),
                Some(_) => {}
            }
        }
        // It keeps changing, but a logout has to win.
        self.delete(handle).await?;
        Ok(None)
    }

    /// Ends a session and begins another with what was set since.
    async fn replace(&self, old: &Record, data: SessionData) -> Result<Commit, SessionError> {
        let ended = self.end(old).await?;
        match self.begin(data, Identity::End).await? {
            saved @ Commit::Saved { .. } => Ok(saved),
            _ => Ok(ended),
        }
    }

    /// The id of a record, where it is kept, and its header.
    fn place(&self, record: &Record) -> Result<(SessionId, Handle, Header), SessionError> {
        let id = record
            .id
            .ok_or(SessionError::Unsupported("the record has no id"))?;
        let header = Header::read(&record.bytes)
            .ok_or(SessionError::Unsupported("the record is not this engine's"))?;
        Ok((id, self.sealer.handle(&id), header))
    }
}

fn saved(record: Record, version: &mut Version, cookie: Option<NewCookie>) -> Commit {
    Commit::Saved {
        record,
        data: std::mem::take(&mut version.data),
        cookie,
    }
}

/// The session ended while the request ran: what it wrote is not brought back to life.
pub(super) fn gone() -> Commit {
    tracing::info!(target: "duck_session", "a session ended while a request was changing it: write_after_delete");
    Commit::Gone
}
