use duck::Error;
use duck::session::{
    Loaded, NewCookie, Record, SessionData, SessionError, SessionId, Visitor, Writable,
};

use super::{Fetched, StoreEngine, new_cookie, seen};
use crate::clock::since_1970;
use crate::events::{Event, Warning};
use crate::log::limited;
use crate::settings::{OnReplay, OnStoreError};
use crate::store::{OpenSession, SessionKey, SessionStore};
use crate::verifier::Standing;

/// What the ids of one selector lead to.
enum Found {
    /// A live session, and the id that was good for it.
    Live(SessionId, OpenSession),
    /// One that has just got another id.
    Replaced,
    Nothing,
}

impl<S: SessionStore> StoreEngine<S> {
    /// The session that a visitor's cookies lead to. Of several that are alive none is used: one of them was
    /// planted, and nobody can tell which.
    pub(super) async fn find(&self, visitor: &Visitor) -> Result<Loaded, SessionError> {
        Event::Loaded.emit(None);
        let candidates = self.cookie.candidates(visitor);
        if candidates.malformed {
            Event::Malformed.emit(None);
        }
        let mut loaded = Loaded::nothing(candidates.malformed);
        let ids = candidates.ids();
        for (at, id) in ids.iter().enumerate() {
            loaded.has_cookie = true;
            if ids[..at]
                .iter()
                .any(|before| before.selector() == id.selector())
            {
                continue; // it was looked at with that one
            }
            match self.look_up(&ids[at..], visitor).await {
                Ok(Found::Live(id, session)) => self.add(&mut loaded, id, session),
                Ok(Found::Replaced) => loaded.writes = Writable::Dropped,
                Ok(Found::Nothing) => {}
                Err(error) if self.on_store_error == OnStoreError::Open => {
                    let cause = Error::from(error).chain();
                    limited!(self.log, error, "serving an empty session", cause);
                    return Ok(Loaded::unavailable());
                }
                Err(error) => return Err(error),
            }
        }
        if loaded.record.is_some() || !loaded.others.is_empty() {
            loaded.writes = Writable::Yes;
        }
        if !loaded.others.is_empty() {
            Warning::DuplicateCookie.emit(None, &self.log);
        }
        Ok(loaded)
    }

    /// Adds a session that is alive; the first one is used only as long as there is no second.
    fn add(&self, loaded: &mut Loaded, id: SessionId, session: OpenSession) {
        let (data, cookie) = (session.data().clone(), self.newer_cookie(id, &session));
        let record = self.record(id, session);
        if loaded.record.is_none() && loaded.others.is_empty() {
            (loaded.record, loaded.data, loaded.cookie) = (Some(record), data, cookie);
            return;
        }
        loaded.others.extend(loaded.record.take());
        loaded.others.push(record);
        (loaded.data, loaded.cookie) = (SessionData::default(), None);
    }

    /// What the first of these ids leads to, and all others with its selector: one good verifier is enough.
    async fn look_up(&self, ids: &[SessionId], visitor: &Visitor) -> Result<Found, SessionError> {
        let key = self.sealer.key(&ids[0]);
        let session = match self.fetch(&key).await? {
            Fetched::Live(session) => session,
            other => return Ok(Box::pin(self.without_session(&key, other)).await),
        };
        let arrived = since_1970(visitor.arrived());
        let same = ids.iter().filter(|id| id.selector() == ids[0].selector());
        let mut standing = Standing::Unknown;
        for id in same {
            match session
                .header()
                .verifiers
                .standing(&self.sealer.digest(id), arrived, || self.clock.now())
            {
                Standing::Current | Standing::Previous => {
                    return self.admit(*id, session, visitor).await;
                }
                Standing::Unknown => {}
                other => standing = other,
            }
        }
        Ok(Box::pin(self.without_verifier(&session, standing)).await)
    }

    /// A session whose verifier was right.
    async fn admit(
        &self,
        id: SessionId,
        session: OpenSession,
        visitor: &Visitor,
    ) -> Result<Found, SessionError> {
        if self.binding.exists() && !Box::pin(self.binding.holds(session.data(), visitor)).await? {
            return Ok(Found::Nothing);
        }
        Ok(Found::Live(id, session))
    }

    /// The cookie for a visitor who came with the verifier before.
    fn newer_cookie(&self, id: SessionId, session: &OpenSession) -> Option<Box<NewCookie>> {
        let current = self.current_id(id, session);
        let current = current.filter(|current| *current != id)?;
        Some(Box::new(new_cookie(current, session, self.clock.now())))
    }

    /// Nothing that lives and opens is under the key.
    async fn without_session(&self, key: &SessionKey, fetched: Fetched) -> Found {
        match fetched {
            Fetched::Expired(session) => {
                // What was seen expired does not come back when the clock is set back.
                Event::Expired.emit(Some(key));
                if let Err(error) = self.remove(key, Some(session.version()), false).await {
                    tracing::debug!(target: "duck_session", %error, "an expired session is left for the sweep");
                }
            }
            Fetched::Unreadable => Warning::Unreadable.emit(Some(key), &self.log),
            Fetched::Nothing | Fetched::Live(_) => Event::Unknown.emit(None),
        }
        Found::Nothing
    }

    /// The session is there, and no id was good for it.
    async fn without_verifier(&self, session: &OpenSession, standing: Standing) -> Found {
        let key = session.key();
        match standing {
            Standing::Replaced => return Found::Replaced,
            Standing::Replayed => {
                Warning::ReplayedOldId.emit(Some(key), &self.log);
                if self.on_replay == OnReplay::End {
                    match self.remove(key, None, true).await {
                        Ok(true) => Event::Ended.emit(Some(key)),
                        Ok(false) => {} // somebody else has ended it
                        Err(error) => {
                            let cause = Error::from(error).chain();
                            limited!(
                                self.log,
                                error,
                                "a session whose old id was replayed could not be ended",
                                cause
                            );
                        }
                    }
                }
            }
            _ => Event::Unknown.emit(None),
        }
        Found::Nothing
    }

    /// A session as it is now, for a request that has it already. Another id that it got in time changes
    /// nothing for that request; a login or `cycle_id` ends it for whoever knows only the id before.
    pub(super) async fn look_again(
        &self,
        visitor: &Visitor,
        record: &Record,
    ) -> Result<Loaded, SessionError> {
        let (id, before) = seen(record)?;
        let Some(session) = self.fetch_live(before.key()).await? else {
            return Ok(Loaded::nothing(true));
        };
        let generation = |session: &OpenSession| session.header().verifiers.generation();
        if generation(&session) != generation(&before)
            || (self.binding.exists() && !self.binding.holds(session.data(), visitor).await?)
        {
            return Ok(Loaded::nothing(true));
        }
        let (data, cookie) = (session.data().clone(), self.newer_cookie(id, &session));
        let mut loaded = Loaded::live(self.record(id, session), data);
        loaded.cookie = cookie;
        Ok(loaded)
    }
}
