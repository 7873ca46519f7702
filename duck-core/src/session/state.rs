//! What one request knows of its session, and what it did to it.

use std::mem;

use super::changes::{Changes, IdChange, Replay, Taken, Write, Writes};
use super::data::{self, SessionData, USER};
use super::engine::{Commit, CookieValue, Loaded, NewCookie, SessionPolicy, Writable};
use super::flash::Flashes;
use super::record::Record;
use crate::session::error::SessionError;

#[derive(Default)]
pub(super) struct State {
    pub(super) record: Option<Record>,
    /// Other live sessions that the visitor came with.
    others: Vec<Record>,
    pub(super) data: SessionData,
    /// The data as it was loaded or last saved: a value set and set back is no change.
    saved: SessionData,
    /// Counts the changes of `data`.
    pub(super) edits: u32,
    pub(super) writes: Writes,
    pub(super) id: IdChange,
    pub(super) forced: bool,
    pub(super) writing: Writing,
    pub(super) flashes: Flashes,
    fate: Fate,
    /// Whether changes are dropped when they would be saved: see [`Writable::Dropped`].
    dropped: bool,
    sent: Sent,
    cookie: Option<CookieChange>,
    /// What a guard could not store.
    failure: Option<SessionError>,
}

/// Whether the session can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Writing {
    #[default]
    Open,
    /// The response is on its way.
    Closed,
    /// The storage did not answer, and the site prefers an empty session to an error.
    Unavailable,
    /// It is a socket's: what needs no cookie can be saved.
    WithoutCookie,
}

/// What became of the session while the request ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fate {
    #[default]
    Fine,
    /// It ended: nothing is saved any more.
    Gone,
    /// A save failed: what it was to write is lost.
    Lost,
}

/// What the visitor came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Sent {
    #[default]
    Nothing,
    /// A session cookie that leads to no session.
    Cookie,
    Session,
}

/// What the response does to the visitor's session cookie.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CookieChange {
    /// It gets a value.
    Set(NewCookie),
    /// It is removed: the visitor logged out.
    LogOut,
}

impl State {
    pub(super) fn fill(&mut self, loaded: Loaded) {
        self.sent = match &loaded.record {
            Some(_) => Sent::Session,
            None if loaded.has_cookie => Sent::Cookie,
            None => Sent::Nothing,
        };
        self.record = loaded.record;
        self.others = loaded.others;
        self.saved = loaded.data.clone();
        self.data = loaded.data;
        self.cookie = loaded.cookie.map(|cookie| CookieChange::Set(*cookie));
        self.dropped = loaded.writes == Writable::Dropped;
        if loaded.writes == Writable::Unavailable {
            self.writing = Writing::Unavailable;
        }
    }

    /// What goes on from here when the response has left, where no cookie can be sent any more.
    #[cfg(feature = "websocket")]
    pub(super) fn go_on_without_cookie(&self) -> Self {
        Self {
            record: self.record.clone(),
            data: self.saved.clone(),
            saved: self.saved.clone(),
            writing: match self.writing {
                Writing::Unavailable => Writing::Unavailable,
                _ => Writing::WithoutCookie,
            },
            fate: self.fate,
            dropped: self.dropped,
            sent: self.sent,
            ..Self::default()
        }
    }

    pub(super) fn is_new(&self) -> bool {
        self.sent != Sent::Session
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.has_changes() || self.forced || self.id != IdChange::Keep
    }

    fn has_changes(&self) -> bool {
        self.data != self.saved
    }

    pub(super) fn set(
        &mut self,
        key: &str,
        json: &[u8],
        policy: &SessionPolicy,
    ) -> Result<(), SessionError> {
        if self.put(key, json, policy)? {
            self.writes.push(Write::Set(key.into(), json.into()));
        }
        Ok(())
    }

    /// Puts all of these in, or none where one of them finds no room.
    pub(super) fn set_all<'a>(
        &mut self,
        fields: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        policy: &SessionPolicy,
    ) -> Result<(), SessionError> {
        let (before, writes) = (self.data.clone(), self.writes.len());
        for (key, json) in fields {
            if let Err(error) = self.set(key, json, policy) {
                self.replace_data(|data| *data = before);
                self.writes.truncate(writes);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Notes who logged in. It is a change even if the same user was logged in before: where their session
    /// has ended meanwhile, the login begins another.
    pub(super) fn set_user(
        &mut self,
        json: &[u8],
        policy: &SessionPolicy,
    ) -> Result<(), SessionError> {
        self.put(USER, json, policy)?;
        self.writes.push(Write::Set(USER.into(), json.into()));
        Ok(())
    }

    pub(super) fn update(
        &mut self,
        key: &str,
        json: &[u8],
        policy: &SessionPolicy,
        again: impl FnOnce() -> Replay,
    ) -> Result<(), SessionError> {
        if self.put(key, json, policy)? {
            self.writes.push(Write::Update(key.into(), again()));
        }
        Ok(())
    }

    /// Stores a value if it is within the limits; returns whether it differs from what was there.
    fn put(
        &mut self,
        key: &str,
        json: &[u8],
        policy: &SessionPolicy,
    ) -> Result<bool, SessionError> {
        self.check_open()?;
        let place = self.data.place(key);
        let old = self.data.at(&place);
        if old == Some(json) {
            return Ok(false);
        }
        check_limits(&self.data, key, old.map(<[u8]>::len), json.len(), policy)?;
        self.data.put(&place, key, json);
        self.edits = self.edits.wrapping_add(1);
        Ok(true)
    }

    /// Takes a key out and returns whether it was there.
    pub(super) fn remove(&mut self, key: &str) -> Result<bool, SessionError> {
        self.check_open()?;
        let removed = self.data.remove(key).is_some();
        if removed {
            self.edits = self.edits.wrapping_add(1);
            self.writes.push(Write::Remove(key.into()));
        }
        Ok(removed)
    }

    pub(super) fn clear(&mut self) -> Result<(), SessionError> {
        self.check_open()?;
        if self.data.count() > 0 {
            self.replace_data(SessionData::clear);
            self.writes.push(Write::Clear);
        }
        Ok(())
    }

    /// Everything goes, and the id with it.
    pub(super) fn flush(&mut self) -> Result<(), SessionError> {
        self.check_open()?;
        self.replace_data(|data| *data = SessionData::default());
        self.saved = SessionData::default();
        self.writes.clear();
        self.id = IdChange::End;
        Ok(())
    }

    pub(super) fn renew(&mut self, id: IdChange) -> Result<(), SessionError> {
        self.check_open()?;
        if self.writing == Writing::WithoutCookie {
            return Err(SessionError::Committed);
        }
        match self.id {
            IdChange::End => {}                            // what follows has a new id anyway
            IdChange::Login if id == IdChange::Renew => {} // a login is more than a renewal
            _ => self.id = id,
        }
        Ok(())
    }

    /// Another user logs in: what the last one had is not theirs.
    pub(super) fn reset(&mut self) {
        self.replace_data(|data| *data = SessionData::default());
        self.writes.push(Write::Reset);
    }

    fn replace_data(&mut self, change: impl FnOnce(&mut SessionData)) {
        change(&mut self.data);
        self.edits = self.edits.wrapping_add(1);
    }

    /// Takes a value out at once, for this request alone. Where the session holds one, there are
    /// changes to be saved, and what they took counts; else it is what this request has put there.
    /// Nothing else that is not saved goes along.
    pub(super) fn take_out(
        &mut self,
        key: &str,
        taken: &Taken,
    ) -> Result<Option<Changes>, SessionError> {
        self.check_open()?;
        let is_stored = self.is_stored(key);
        let (mut its, others): (Writes, Writes) = mem::take(&mut self.writes)
            .into_iter()
            .partition(|write| write.key() == Some(key));
        self.writes = others;
        if !is_stored {
            self.replace_data(|data| taken.put(data.remove(key)));
            return Ok(None);
        }
        its.push(Write::Take(key.into(), taken.clone()));
        let record = self.record.clone();
        Ok(Some(Changes::new(record, IdChange::Keep, false, None, its)))
    }

    /// Whether the record holds a value under this key that goes on to be this session's.
    fn is_stored(&self, key: &str) -> bool {
        let is_reset = |write: &Write| matches!(write, Write::Reset);
        self.saved.get(key).is_some() && self.record.is_some() && !self.writes.iter().any(is_reset)
    }

    /// Goes on from what was read again; what was not saved is thrown away, but for a logout or a
    /// new id.
    pub(super) fn start_over(&mut self, loaded: Loaded) {
        self.writes.clear();
        self.forced = false;
        self.failure = None;
        self.replace_data(|data| *data = SessionData::default());
        self.saved = SessionData::default();
        match self.id {
            IdChange::End => return,
            IdChange::Login => self.id = IdChange::Renew, // nobody is logged in by it any more
            IdChange::Keep | IdChange::Renew => {}
        }
        if self.record.is_some() && loaded.record.is_none() {
            self.fate = Fate::Gone;
            return;
        }
        if let Some(cookie) = loaded.cookie {
            self.cookie = Some(CookieChange::Set(*cookie));
        }
        self.record = loaded.record;
        self.saved = loaded.data.clone();
        self.data = loaded.data;
    }

    /// Remembers a session as it is now that is looked at from time to time. Once there is nothing
    /// more to save: until then, record and data belong together.
    pub(super) fn see(&mut self, newer: Record) {
        if self.writing == Writing::Closed {
            self.record = Some(newer);
        }
    }

    pub(super) fn fail(&mut self, error: SessionError) {
        self.failure.get_or_insert(error);
    }

    /// What keeps the session from being saved.
    pub(super) fn take_failure(&mut self, keep_data: bool) -> Result<(), SessionError> {
        if self.fate == Fate::Lost {
            return Err(SessionError::store(
                "an earlier save of this request failed",
            ));
        }
        match self.failure.take() {
            Some(error) if keep_data => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether the session is to end with the next save.
    pub(super) fn is_ending(&self) -> bool {
        self.id == IdChange::End
    }

    /// Whether there is nothing to save or to report.
    pub(super) fn is_quiet(&self) -> bool {
        !self.is_dirty() && self.fate != Fate::Lost && self.failure.is_none()
    }

    /// Whether the session takes changes at all.
    fn check_open(&self) -> Result<(), SessionError> {
        match self.writing {
            Writing::Open => Ok(()),
            Writing::WithoutCookie if self.record.is_some() => Ok(()),
            Writing::Closed | Writing::WithoutCookie => Err(SessionError::Committed),
            Writing::Unavailable => {
                let why = "an empty session stands in for one that could not be read: it takes no changes";
                Err(SessionError::store(why))
            }
        }
    }

    /// What is to be written, if anything. Without `keep_data` only what concerns the id is.
    pub(super) fn take_changes(&mut self, keep_data: bool) -> Option<Changes> {
        if self.writes.is_empty() && !self.forced && self.id == IdChange::Keep {
            return None;
        }
        self.drop_idle_writes();
        self.saved = self.data.clone();
        let mut writes = mem::take(&mut self.writes);
        let mut forced = mem::take(&mut self.forced);
        if !keep_data {
            let is_login = writes.iter().any(Write::is_login);
            writes.retain(|write| write.is_login() || (is_login && write.is_csrf_secret()));
            forced = false;
        }
        let id = mem::take(&mut self.id);
        let asks_for_id = matches!(id, IdChange::Login | IdChange::End);
        if (writes.is_empty() && !forced && id == IdChange::Keep) || (self.dropped && !asks_for_id)
        {
            return None;
        }
        let others = mem::take(&mut self.others);
        if self.fate == Fate::Gone {
            return self.changes_of_gone(id, writes, others);
        }
        let data = keep_data.then(|| self.data.clone());
        let mut changes = Changes::new(self.record.clone(), id, forced, data, writes);
        if asks_for_id {
            changes.others = others;
        } else {
            self.others = others;
        }
        Some(changes)
    }

    /// Nothing goes on from a session that is over, and none begins in its place, but with a login; and a
    /// logout goes through.
    fn changes_of_gone(
        &mut self,
        id: IdChange,
        writes: Writes,
        others: Vec<Record>,
    ) -> Option<Changes> {
        let mut changes = match id {
            IdChange::Login => Changes::new(None, id, false, None, writes),
            IdChange::End => Changes::new(self.record.take(), id, false, None, Writes::new()),
            IdChange::Keep | IdChange::Renew => return None,
        };
        changes.others = others;
        Some(changes)
    }

    pub(super) fn note(
        &mut self,
        commit: Result<Commit, SessionError>,
    ) -> Result<(), SessionError> {
        match commit {
            Ok(Commit::Unchanged) => {}
            Ok(Commit::Saved {
                cookie:
                    Some(NewCookie {
                        value: CookieValue::Text(_),
                        ..
                    }),
                ..
            }) if self.writing == Writing::WithoutCookie => {
                self.fate = Fate::Lost;
                return Err(SessionError::Unsupported(
                    "a session that is kept in its cookie cannot be saved by a socket",
                ));
            }
            Ok(Commit::Saved {
                record,
                data,
                cookie,
            }) => {
                self.fate = Fate::Fine;
                self.record = Some(record);
                self.take_over(data)?;
                if let Some(cookie) = cookie {
                    self.cookie = Some(CookieChange::Set(cookie));
                }
            }
            Ok(Commit::Ended) => {
                self.record = None;
                self.cookie = (self.sent != Sent::Nothing).then_some(CookieChange::LogOut);
            }
            Ok(Commit::Gone) => (self.fate, self.cookie) = (Fate::Gone, None),
            Err(error) => {
                self.fate = Fate::Lost;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Goes on from what was saved, with what was written since the save began on top.
    fn take_over(&mut self, saved: SessionData) -> Result<(), SessionError> {
        if self.is_ending() {
            return Ok(()); // a logout came meanwhile: what was saved ends with the rest
        }
        let mut data = saved.clone();
        self.saved = saved;
        self.writes
            .iter()
            .try_for_each(|write| write.apply(&mut data))?;
        self.replace_data(|all| *all = data);
        Ok(())
    }

    /// Forgets writes to keys that hold again what they held before, but for that of a login.
    fn drop_idle_writes(&mut self) {
        if !self.has_changes() {
            self.writes.retain(|write| write.is_login());
        } else if self.writes.len() > 1 && self.writes.iter().all(|write| write.key().is_some()) {
            let (data, saved) = (&self.data, &self.saved);
            let differs = |key: &str| data.get(key) != saved.get(key);
            self.writes
                .retain(|write| write.is_login() || write.key().is_none_or(differs));
        }
    }

    /// Whether the session ended while the request ran.
    pub(super) fn is_gone(&self) -> bool {
        self.fate == Fate::Gone
    }

    /// The record whose end a mere visit may move.
    pub(super) fn visited(&self) -> Option<&Record> {
        self.record.as_ref().filter(|_| self.fate == Fate::Fine)
    }

    /// The cookie the response needs, all commits of the request taken together.
    pub(super) fn take_cookie_change(&mut self) -> Option<CookieChange> {
        self.cookie.take()
    }
}

fn check_limits(
    data: &SessionData,
    key: &str,
    old: Option<usize>,
    json: usize,
    policy: &SessionPolicy,
) -> Result<(), SessionError> {
    let comma = usize::from(!data.is_empty());
    let total = match old {
        Some(old) => data.json_len() - old + json,
        None => data.json_len() + comma + key.len() + json + 3,
    };
    let too_large = |would: String| Err(SessionError::TooLarge(would));
    if total > policy.max_bytes {
        let most = policy.max_bytes;
        return too_large(format!(
            "{key:?} would bring it to {total} bytes, and SESSION_MAX_BYTES is {most}"
        ));
    }
    if old.is_none() && data.count() >= policy.max_keys && !data::is_reserved(key) {
        let (number, most) = (data.count() + 1, policy.max_keys);
        return too_large(format!(
            "{key:?} would be key number {number}, and SESSION_MAX_KEYS is {most}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_for_an_unreadable_session_takes_no_changes() {
        let mut state = State::default();
        state.fill(Loaded::unavailable());
        let set = state.set("key", b"1", &SessionPolicy::default());
        assert!(matches!(set, Err(SessionError::Store(_))), "{set:?}");
        assert!(matches!(state.flush(), Err(SessionError::Store(_))));
        assert!(!state.is_dirty());
    }

    #[test]
    fn what_is_dropped_is_taken_and_not_saved_but_for_a_login() {
        let mut loaded = Loaded::nothing(true);
        loaded.writes = Writable::Dropped;
        let mut state = State::default();
        state.fill(loaded);
        state.set("key", b"1", &SessionPolicy::default()).unwrap();
        state.renew(IdChange::Renew).unwrap();
        assert!(state.take_changes(true).is_none());
        state.renew(IdChange::Login).unwrap();
        let changes = state.take_changes(true).unwrap();
        assert_eq!(changes.id, IdChange::Login);
    }
}
