use bytes::Bytes;
use duck::session::{
    Changes, Commit, Identity, NewCookie, Record, SessionData, SessionError, SessionId, Visitor,
};
use tokio::sync::MutexGuard;

use super::line::Line;
use super::{CacheEngine, Opened, new_cookie, record};
use crate::cache::Cache;
use crate::header::{Header, Kind};
use crate::journal::Event;
use crate::seal::Handle;
use crate::settings::Conflict;

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
    /// Writes what a request changed: all but the plain [`save`](Self::save) of a session that stays
    /// where it is.
    pub(super) async fn write(
        &self,
        old: &Record,
        data: SessionData,
        changes: &Changes,
        visitor: &Visitor,
    ) -> Result<Commit, SessionError> {
        if self.lifetimes.is_over(&data, &self.clock) {
            return self.end(old).await;
        }
        match changes.identity {
            Identity::End => self.replace(old, data, visitor).await,
            Identity::Keep => self.renew_in_time(self.version(old, data)?, changes).await,
            Identity::Renew | Identity::Login => {
                let old = self.version(old, data)?;
                self.renew(old, changes, visitor).await
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

    /// Stands in line, and gives the session as it is then, wherever it went; `None` if it is over.
    pub(super) async fn newer_in_turn<'a>(
        &'a self,
        old: &Version,
        line: &mut Line<'a>,
        attempt: u32,
    ) -> Result<Option<Version>, SessionError> {
        self.stand_in_line(&self.locks, line, attempt).await;
        loop {
            let newer = self.newer(old).await?;
            let moved = newer.as_ref().map(|version| version.handle);
            match moved.filter(|handle| *handle != line.handle) {
                None => return Ok(newer),
                Some(handle) => {
                    // Who writes it now stands in another line. Never in two at once: they may be one.
                    line.turn = None;
                    *line = Line::new(handle, Some(self.locks.lock(handle.as_str()).await));
                }
            }
        }
    }

    /// A record that holds what it held: of a session that was only visited.
    pub(super) fn visited(&self, record: &Record) -> Result<Option<Version>, SessionError> {
        let (_, handle, _) = self.place(record)?;
        match self.open(&handle, &record.bytes) {
            Opened::Live(_, data) => self.version(record, data).map(Some),
            _ => Ok(None),
        }
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
        mut data: SessionData,
        identity: Identity,
        visitor: &Visitor,
    ) -> Result<Commit, SessionError> {
        let nothing = || {
            if identity == Identity::End {
                Commit::Ended
            } else {
                Commit::Unchanged
            }
        };
        if data.is_blank() || self.lifetimes.is_over(&data, &self.clock) {
            return Ok(nothing());
        }
        if self.create_rate.is_limited()
            && data.user().is_none()
            && !self.create_rate.allows(visitor.address())
        {
            Event::CreateRate.tell(None);
            return Ok(nothing());
        }
        let now = self.clock.now();
        self.prepare(&mut data, None, visitor).await?;
        let header = self.fresh(&data, identity, now, None);
        let created = self.create(header, &data, identity, None, Some(visitor));
        let (id, bytes, header) = created.await?;
        let event = if header.auth > 0 {
            Event::LoggedIn
        } else {
            Event::Created
        };
        event.tell(Some(&self.sealer.handle(&id)));
        let cookie = Some(new_cookie(id, &header, now));
        Ok(Commit::Saved {
            record: record(id, bytes, &header),
            data,
            cookie,
        })
    }

    /// Does what has to come before a session begins, or its user logs in: mostly nothing.
    pub(super) async fn prepare(
        &self,
        data: &mut SessionData,
        old: Option<&Handle>,
        visitor: &Visitor,
    ) -> Result<(), SessionError> {
        if self.bonds.exist() {
            Box::pin(self.bonds.sign(data, visitor)).await?;
        }
        if let Some(most) = self.most_per_user {
            Box::pin(self.make_room(data, old, most)).await?;
        }
        Ok(())
    }

    /// Stores a record under an id that is not there yet. `from` is where its session was before.
    pub(super) async fn create(
        &self,
        mut header: Header,
        data: &SessionData,
        identity: Identity,
        from: Option<&Handle>,
        visitor: Option<&Visitor>,
    ) -> Result<(SessionId, Bytes, Header), SessionError> {
        loop {
            let mut random = [0; 32];
            getrandom::fill(&mut random).map_err(SessionError::store)?;
            let id = SessionId::from_bytes(random);
            let handle = self.sealer.handle(&id);
            if header.auth > 0 {
                let enlisted = self.enlist(data, &handle, &header, from, visitor);
                Box::pin(enlisted).await?;
            }
            let bytes = self.seal(&handle, &mut header, data)?;
            // No lock, whatever the cache: nobody else knows this id.
            let entry = self.entry(&bytes, &header, identity, header.touched);
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
            // A login after a logout begins a session that has a user, too.
            None => {
                identity == Identity::Login || (identity == Identity::End && data.user().is_some())
            }
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
        let Some(mut version) = self.visited(old)? else {
            return Ok(Commit::Unchanged);
        };
        let handle = version.handle;
        let _one_at_a_time = self.lock_unless_atomic(&self.locks, &handle).await;
        match self.try_save(&mut version, true).await? {
            Tried::Written(record, cookie) => {
                Event::Touched.tell(None);
                Ok(saved(record, &mut version, cookie))
            }
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
            return Box::pin(self.save_in_turn(version, changes)).await;
        }
        match self.try_save(version, changes.forced).await? {
            Tried::Written(record, cookie) => Ok(saved(record, version, cookie)),
            Tried::Overtaken => Box::pin(self.save_after_others(version, changes, None)).await,
            Tried::Over => Ok(gone()),
        }
    }

    /// The same for a cache that cannot compare and swap in one step.
    async fn save_in_turn(
        &self,
        version: &mut Version,
        changes: &Changes,
    ) -> Result<Commit, SessionError> {
        let turn = self.lock_unless_atomic(&self.locks, &version.handle).await;
        match self.try_save(version, changes.forced).await? {
            Tried::Written(record, cookie) => Ok(saved(record, version, cookie)),
            Tried::Overtaken => self.save_after_others(version, changes, turn).await,
            Tried::Over => Ok(gone()),
        }
    }

    /// Writes on top of what others saved, until nobody is faster, as `SESSION_CONFLICT` wants it.
    /// Those who lost wait for each other here, so that only other processes can be.
    async fn save_after_others<'a>(
        &'a self,
        version: &mut Version,
        changes: &Changes,
        turn: Option<MutexGuard<'a, ()>>,
    ) -> Result<Commit, SessionError> {
        let mut line = Line::new(version.handle, turn);
        let sent = version.id;
        for attempt in 0..MOST_TRIES {
            let Some(newer) = self.newer_in_turn(version, &mut line, attempt).await? else {
                return Ok(gone());
            };
            match self.conflict {
                Conflict::Fail => {
                    Event::Conflict.tell(Some(&line.handle));
                    return Err(SessionError::Conflict);
                }
                Conflict::LastWriteWins => {
                    let ours = std::mem::take(&mut version.data);
                    *version = Version {
                        data: ours,
                        ..newer
                    };
                }
                Conflict::Merge | Conflict::Lock => {
                    *version = newer;
                    changes.apply(&mut version.data)?;
                    Event::Merged.tell(None);
                }
            }
            match self.try_save(version, changes.forced).await? {
                Tried::Written(record, cookie) => {
                    // It may have moved on to another id meanwhile.
                    let moved = || self.cookie_for(version);
                    let cookie = cookie.or_else(|| (version.id != sent).then(moved));
                    return Ok(saved(record, version, cookie));
                }
                Tried::Overtaken => {}
                Tried::Over => return Ok(gone()),
            }
        }
        Event::Conflict.tell(Some(&line.handle));
        Err(SessionError::Conflict)
    }

    fn cookie_for(&self, version: &Version) -> NewCookie {
        new_cookie(version.id, &version.header, self.clock.now())
    }

    /// Swaps a record for the one that was seen.
    async fn try_save(&self, version: &mut Version, forced: bool) -> Result<Tried, SessionError> {
        let now = self.clock.now();
        let header = &mut version.header;
        if self.lifetimes.end(header) <= now {
            return Ok(Tried::Over);
        }
        header.version = header.version.wrapping_add(1);
        let before = header.expires;
        let send_cookie = self.lifetimes.extend(header, &version.data, now, forced);
        if header.auth > 0 && self.lifetimes.passes_span(header, before) {
            Box::pin(self.stay_listed(version)).await?;
        }
        let Version {
            id,
            handle,
            seen,
            header,
            data,
        } = version;
        let bytes = self.seal(handle, header, data)?;
        let entry = self.entry(&bytes, header, Identity::Keep, now);
        if !self.swap(handle, Some(seen), entry).await? {
            return Ok(Tried::Overtaken);
        }
        Event::Saved.tell(None);
        let cookie = send_cookie.then(|| new_cookie(*id, header, now));
        Ok(Tried::Written(record(*id, bytes, header), cookie))
    }

    /// The id of a record, where it is kept, and its header.
    pub(super) fn place(
        &self,
        record: &Record,
    ) -> Result<(SessionId, Handle, Header), SessionError> {
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
    Event::WriteAfterDelete.tell(None);
    Commit::Gone
}
