use std::time::Duration;

use duck::Error;
use duck::session::{Changes, Commit, IdChange, SessionData, SessionError, SessionId, Visitor};
use tokio::sync::MutexGuard;

use super::next::{Next, Write};
use super::{Fetched, Operation, StoreEngine, new_cookie, seen};
use crate::events::Event;
use crate::log::limited;
use crate::settings::Conflict;
use crate::store::{OpenSession, SessionStore};

/// How often a write is tried again when others were faster. Of two processes that write one
/// session without a pause each wins half of the rounds: with 8 tries one in some hundred requests gave
/// up, with 32 none does.
pub(super) const MOST_TRIES: u32 = 32;

/// How a write went.
enum Written {
    /// The session is so now.
    Done(OpenSession, Next),
    /// The session had an end of its own, which has come.
    Ended,
    /// Somebody else was faster: this is there now, and this was to be there.
    Overtaken(Fetched, SessionData),
}

impl<S: SessionStore> StoreEngine<S> {
    /// Writes what a request changed.
    pub(super) async fn write(
        &self,
        changes: &Changes,
        visitor: &Visitor,
    ) -> Result<Commit, SessionError> {
        let session = changes.record.as_ref().map(seen).transpose()?;
        let data = match (changes.data(), &session) {
            (Some(data), _) => data.clone(),
            (None, Some((_, session))) if changes.id != IdChange::End => {
                replay(session.data().clone(), changes)?
            }
            (None, _) => replay(SessionData::default(), changes)?,
        };
        match session {
            None if changes.id == IdChange::Keep => self.begin(data, visitor).await,
            Some((id, session)) if changes.id != IdChange::End => {
                self.save(id, session, data, changes, visitor).await
            }
            session => {
                let session = session.as_ref().map(|(_, session)| session);
                Box::pin(self.end_or_begin(session, data, changes, visitor)).await
            }
        }
    }

    /// Writes changes over the session they were made on, or over a newer version of it.
    async fn save(
        &self,
        id: SessionId,
        session: OpenSession,
        mut data: SessionData,
        changes: &Changes,
        visitor: &Visitor,
    ) -> Result<Commit, SessionError> {
        if changes.id == IdChange::Login {
            Box::pin(self.prepare(&mut data, Some(&session), visitor)).await?;
        }
        let now = self.clock.now();
        let write = Write {
            id,
            change: changes.id,
            forced: changes.forced,
            visitor: Some(visitor),
        };
        let written = if self.lifetimes.end(session.header(), session.expires()) > now {
            self.replace(write, &session, data, now).await?
        } else {
            // Its end has come, unless another request has moved it.
            Written::Overtaken(Box::pin(self.fetch(session.key())).await?, data)
        };
        match written {
            Written::Overtaken(fetched, data) => {
                let overtaken = (session, fetched, data);
                Box::pin(self.save_after_others(write, overtaken, changes, visitor)).await
            }
            written => self.saved(id, written, changes, now).await,
        }
    }

    /// Writes on top of what others saved, until nobody is faster, as `SESSION_CONFLICT` wants it.
    async fn save_after_others(
        &self,
        write: Write<'_>,
        (mut session, mut fetched, mut data): (OpenSession, Fetched, SessionData),
        changes: &Changes,
        visitor: &Visitor,
    ) -> Result<Commit, SessionError> {
        let generation = session.header().verifiers.generation();
        let mut turn = None;
        for attempt in 1..MOST_TRIES {
            if self.has_waited(&session, &mut turn, attempt).await {
                fetched = self.fetch(session.key()).await?;
            }
            let newer = match fetched {
                Fetched::Live(newer) if newer.header().verifiers.generation() == generation => {
                    newer
                }
                _ => return Box::pin(self.lost(changes, visitor)).await,
            };
            // Where the others changed no data (a visit was noted, say), there is nothing to settle.
            if newer.data() != session.data() {
                match self.conflict {
                    // A login always succeeds, and whoever changed no value has nothing to lose.
                    Conflict::Fail if changes.has_writes() && changes.id != IdChange::Login => {
                        break;
                    }
                    Conflict::LastWriteWins if changes.has_writes() && changes.data().is_some() => {
                    }
                    _ => {
                        data = replay(newer.data().clone(), changes)?;
                        self.check_keys(&data, newer.data())?;
                        Event::Merged.emit(None);
                    }
                }
            }
            session = newer;
            if changes.id == IdChange::Login && self.binding.exists() {
                self.binding.sign(&mut data, visitor).await?;
            }
            let now = self.clock.now();
            match self.replace(write, &session, data, now).await? {
                Written::Overtaken(newer, ours) => (fetched, data) = (newer, ours),
                written => return self.saved(write.id, written, changes, now).await,
            }
        }
        Event::Conflict.emit(Some(session.key()));
        Err(SessionError::Conflict)
    }

    /// The session is over, or somebody logged in meanwhile, for whom nothing is changed. But a login always
    /// succeeds: it begins a session of its own, with what this request has set.
    async fn lost(&self, changes: &Changes, visitor: &Visitor) -> Result<Commit, SessionError> {
        if changes.id != IdChange::Login {
            Event::WriteAfterDelete.emit(None);
            return Ok(Commit::Gone);
        }
        let data = replay(SessionData::default(), changes)?;
        self.end_all(&changes.others).await?;
        self.begin(data, visitor).await
    }

    /// Those who were overtaken write one after the other, and those of several processes not in step. Returns
    /// whether somebody may have written meanwhile.
    async fn has_waited<'a>(
        &'a self,
        session: &OpenSession,
        turn: &mut Option<MutexGuard<'a, ()>>,
        attempt: u32,
    ) -> bool {
        if turn.is_some() {
            let pause = fastrand::u64(50..500 << attempt.min(6));
            tokio::time::sleep(Duration::from_micros(pause)).await;
            return true;
        }
        *turn = self.locks.try_lock(session.key());
        if turn.is_none() {
            *turn = Some(self.locks.lock(session.key()).await);
            return true;
        }
        false
    }

    /// Replaces a session by its next version, or removes it where it was given an end that has come. Where it was
    /// not replaced, or nobody can tell, the store is asked again: a driver may have sent the write twice, or lost
    /// the answer.
    async fn replace(
        &self,
        write: Write<'_>,
        session: &OpenSession,
        data: SessionData,
        now: u64,
    ) -> Result<Written, SessionError> {
        if self.lifetimes.is_over(&data, &self.clock) {
            return Box::pin(self.remove_over(session, data)).await;
        }
        self.check_size(&data, session.data())?;
        let (next, outcome) = self.next(write, session, data, now)?;
        let stored = self.sealer.seal(&next)?;
        let durability = self.durability(outcome.secures);
        let replacing = self.store.replace(session.version(), &stored, durability);
        let replaced = self.within(Operation::Write, replacing).await;
        if matches!(replaced, Ok(true)) {
            return Ok(Written::Done(next, outcome));
        }
        match (Box::pin(self.fetch(next.key())).await, replaced) {
            (Ok(Fetched::Live(found)), _) if found.version() == next.version() => {
                Ok(Written::Done(next, outcome))
            }
            (Ok(found), Ok(_)) => Ok(Written::Overtaken(found, next.data().clone())),
            (_, Err(error)) | (Err(error), _) => Err(error),
        }
    }

    /// Only the version that has come to its end: another request may have given the session another one.
    async fn remove_over(
        &self,
        session: &OpenSession,
        data: SessionData,
    ) -> Result<Written, SessionError> {
        let key = session.key();
        if self.remove(key, Some(session.version()), true).await? {
            Event::Ended.emit(Some(key));
            return Ok(Written::Ended);
        }
        Ok(Written::Overtaken(self.fetch(key).await?, data))
    }

    async fn saved(
        &self,
        id: SessionId,
        written: Written,
        changes: &Changes,
        now: u64,
    ) -> Result<Commit, SessionError> {
        if !changes.others.is_empty() {
            Box::pin(self.end_all(&changes.others)).await?;
        }
        let Written::Done(session, outcome) = written else {
            return Ok(Commit::Ended);
        };
        match changes.id {
            IdChange::Login => Event::LoggedIn.emit(Some(session.key())),
            _ if outcome.new_id.is_some() => Event::Renewed.emit(Some(session.key())),
            _ => Event::Saved.emit(None),
        }
        Ok(self.committed(id, session, outcome, now))
    }

    fn committed(&self, id: SessionId, session: OpenSession, outcome: Next, now: u64) -> Commit {
        let new = outcome.new_id.unwrap_or(id);
        // Somebody else may have renewed it meanwhile: then the visitor gets the cookie of that renewal.
        let current = self.current_id(new, &session);
        let current = current.filter(|current| outcome.send_cookie || *current != new);
        // This request did not come with what it was given in time: that is still to be presented.
        let is_pending = session.header().verifiers.is_renewal_pending();
        let presented = if is_pending { id } else { new };
        Commit::Saved {
            cookie: current.map(|current| new_cookie(current, &session, now)),
            data: session.data().clone(),
            record: self.record(presented, session),
        }
    }

    /// Notes that a session was visited. It cannot revert anything: if the session is no longer what was seen,
    /// somebody else has noted it. A store that cannot write lets the session live on as it was.
    pub(super) async fn note_visit(
        &self,
        id: SessionId,
        session: &OpenSession,
        forced: bool,
    ) -> Commit {
        let now = self.clock.now();
        if self.lifetimes.end(session.header(), session.expires()) <= now {
            return Commit::Unchanged; // its end has come while the request ran
        }
        let write = Write {
            id,
            change: IdChange::Keep,
            forced,
            visitor: None,
        };
        let data = session.data().clone();
        match self.replace(write, session, data, now).await {
            Ok(Written::Done(written, outcome)) => {
                match outcome.new_id {
                    Some(_) => Event::Renewed.emit(Some(written.key())),
                    None => Event::Touched.emit(None),
                }
                self.committed(id, written, outcome, now)
            }
            Ok(Written::Overtaken(..) | Written::Ended) => Commit::Unchanged,
            Err(error) => {
                let cause = Error::from(error).chain();
                limited!(self.log, warn, "a visit could not be noted", cause);
                Commit::Unchanged
            }
        }
    }

    /// Creates a session, unless it would be empty.
    pub(super) async fn begin(
        &self,
        mut data: SessionData,
        visitor: &Visitor,
    ) -> Result<Commit, SessionError> {
        if data.is_blank() || self.lifetimes.is_over(&data, &self.clock) {
            return Ok(Commit::Unchanged);
        }
        self.check_size(&data, &SessionData::default())?;
        if self.binding.exists() || data.user().is_some() {
            Box::pin(self.prepare(&mut data, None, visitor)).await?;
        }
        for _ in 0..MOST_TRIES {
            let now = self.clock.now();
            let (id, open) = self.first(data.clone(), visitor, now);
            let is_login = open.header().login.is_some();
            let stored = self.sealer.seal(&open)?;
            let creating = self.store.create(&stored, self.durability(is_login));
            if self.within(Operation::Write, creating).await? || self.is_there(&open).await? {
                let event = if is_login {
                    Event::LoggedIn
                } else {
                    Event::Created
                };
                event.emit(Some(stored.key()));
                let outcome = Next {
                    new_id: Some(id),
                    send_cookie: true,
                    secures: is_login,
                };
                return Ok(self.committed(id, open, outcome, now));
            }
        }
        Err(SessionError::store("each new key is said to be taken"))
    }

    /// Whether this version is stored: a driver may have sent the write twice.
    async fn is_there(&self, session: &OpenSession) -> Result<bool, SessionError> {
        let found = Box::pin(self.fetch_live(session.key())).await?;
        Ok(found.is_some_and(|found| found.version() == session.version()))
    }

    /// Does what has to come before a session begins, or its user logs in: mostly nothing.
    async fn prepare(
        &self,
        data: &mut SessionData,
        session: Option<&OpenSession>,
        visitor: &Visitor,
    ) -> Result<(), SessionError> {
        if self.binding.exists() {
            Box::pin(self.binding.sign(data, visitor)).await?;
            // Before anybody else's session gives way.
            let none = SessionData::default();
            self.check_size(data, session.map_or(&none, OpenSession::data))?;
        }
        match data.user() {
            Some(user) => Box::pin(self.make_room(&user, session)).await,
            None => Ok(()),
        }
    }

    /// What is too large already, since the setting was lowered, may be visited, shrink and end.
    fn check_size(&self, data: &SessionData, before: &SessionData) -> Result<(), SessionError> {
        let (bytes, most) = (data.json_len(), self.lifetimes.policy.max_bytes);
        if bytes > most && bytes > before.json_len() {
            let limit = format!("it has {bytes} bytes, and SESSION_MAX_BYTES is {most}");
            return Err(SessionError::TooLarge(limit));
        }
        Ok(())
    }

    /// The same for keys, where each of two requests was allowed the last one.
    fn check_keys(&self, data: &SessionData, before: &SessionData) -> Result<(), SessionError> {
        let (keys, most) = (data.count(), self.lifetimes.policy.max_keys);
        if keys > most && keys > before.count() {
            let limit = format!("it has {keys} keys, and SESSION_MAX_KEYS is {most}");
            return Err(SessionError::TooLarge(limit));
        }
        Ok(())
    }
}

/// The changes on top of data that they were not made on.
fn replay(mut data: SessionData, changes: &Changes) -> Result<SessionData, SessionError> {
    changes.apply(&mut data)?;
    Ok(data)
}
