//! What one request knows of its session, and what it did to it.

use std::any::Any;

use bytes::Bytes;
use smallvec::SmallVec;

use super::changes::{Changes, Identity, Taken, Write, Writes};
use super::data::{Key, SessionData};
use super::engine::{Commit, Loaded, NewCookie, SessionPolicy};
use super::flash::Flashes;
use super::record::Record;
use crate::session::error::SessionError;

#[derive(Default)]
pub(super) struct State {
    pub(super) record: Option<Record>,
    pub(super) data: SessionData,
    pub(super) writes: Writes,
    /// What the keys that were written held before: a value set and set back is no change.
    originals: SmallVec<[(Key, Option<Bytes>); 1]>,
    pub(super) identity: Identity,
    pub(super) forced: bool,
    pub(super) writing: Writing,
    pub(super) flashes: Flashes,
    fate: Fate,
    sent: Sent,
    cookie: Option<CookieChange>,
    /// Keeps other requests of the visitor waiting: see `SESSION_CONFLICT`.
    hold: Option<Box<dyn Any + Send>>,
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

/// Where the cookie that the visitor sent leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Sent {
    #[default]
    Nothing,
    ToThisSession,
    Nowhere,
    /// Nobody here can tell: it stays, unless the visitor logs out.
    Unread,
}

/// What the response does to the visitor's session cookie.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CookieChange {
    /// It gets a value.
    Set(NewCookie),
    /// It is removed: it leads nowhere.
    Remove,
    /// It is removed: the visitor logged out.
    LogOut,
}

impl State {
    pub(super) fn fill(&mut self, loaded: Loaded) {
        self.sent = match &loaded.record {
            Some(_) => Sent::ToThisSession,
            None if loaded.dead_cookie => Sent::Nowhere,
            None if loaded.unread_cookie => Sent::Unread,
            None => Sent::Nothing,
        };
        self.record = loaded.record;
        self.data = loaded.data;
        self.cookie = loaded.cookie.map(|cookie| CookieChange::Set(*cookie));
        self.hold = loaded.hold;
        if loaded.unavailable {
            self.writing = Writing::Unavailable;
        }
    }

    pub(super) fn is_new(&self) -> bool {
        self.sent != Sent::ToThisSession
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.has_changes() || self.forced || self.identity != Identity::Keep
    }

    fn has_changes(&self) -> bool {
        let differs = |(key, original): &(Key, Option<Bytes>)| {
            self.data.get(key.as_str()) != original.as_ref()
        };
        self.originals.iter().any(differs)
    }

    /// Remembers what a key held before its first write.
    fn remember(&mut self, key: &Key, original: Option<Bytes>) {
        if !self.originals.iter().any(|(known, _)| known == key) {
            self.originals.push((key.clone(), original));
        }
    }

    /// The same for all keys: they are about to go.
    fn remember_all(&mut self) {
        for (key, original) in self.data.entries() {
            self.remember(&key, Some(original));
        }
    }

    pub(super) fn set(
        &mut self,
        key: &str,
        json: Bytes,
        policy: &SessionPolicy,
    ) -> Result<(), SessionError> {
        if let Some(key) = self.put(key, json.clone(), policy)? {
            self.writes.push(Write::Set(key, json));
        }
        Ok(())
    }

    pub(super) fn update(
        &mut self,
        key: &str,
        json: Bytes,
        policy: &SessionPolicy,
        again: impl FnOnce(Key) -> Write,
    ) -> Result<(), SessionError> {
        if let Some(key) = self.put(key, json, policy)? {
            self.writes.push(again(key));
        }
        Ok(())
    }

    /// Stores a value if it is within the limits; gives the key where it differs from what was there.
    fn put(
        &mut self,
        key: &str,
        json: Bytes,
        policy: &SessionPolicy,
    ) -> Result<Option<Key>, SessionError> {
        self.check_open()?;
        let place = self.data.place(key);
        let original = self.data.at(place);
        if original == Some(&json) {
            return Ok(None);
        }
        check_limits(&self.data, key, original, &json, policy)?;
        let (key, original) = self.data.put(place, || Key::new(key), json);
        let key = key.clone();
        self.remember(&key, original);
        Ok(Some(key))
    }

    pub(super) fn remove(&mut self, key: &str) -> Result<Option<Bytes>, SessionError> {
        self.check_open()?;
        let Some(removed) = self.data.remove(key) else {
            return Ok(None);
        };
        let key = Key::new(key);
        self.remember(&key, Some(removed.clone()));
        self.writes.push(Write::Remove(key));
        Ok(Some(removed))
    }

    pub(super) fn clear(&mut self) -> Result<(), SessionError> {
        self.check_open()?;
        if self.data.keys().next().is_some() {
            self.remember_all();
            self.data.clear();
            self.writes.push(Write::Clear);
        }
        Ok(())
    }

    /// Everything goes, and the id with it.
    pub(super) fn flush(&mut self) -> Result<(), SessionError> {
        self.check_open()?;
        self.data = SessionData::default();
        self.writes.clear();
        self.originals.clear();
        self.identity = Identity::End;
        Ok(())
    }

    pub(super) fn renew(&mut self, identity: Identity) -> Result<(), SessionError> {
        self.check_open()?;
        match self.identity {
            Identity::End => {} // what follows has a new id anyway
            Identity::Login if identity == Identity::Renew => {} // a login is more than a renewal
            _ => self.identity = identity,
        }
        Ok(())
    }

    /// Another user logs in: what the last one had is not theirs.
    pub(super) fn reset(&mut self) {
        self.remember_all();
        self.data = SessionData::default();
        self.writes.push(Write::Reset);
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
        let (its, others) = std::mem::take(&mut self.writes)
            .into_iter()
            .partition(|write| write.key().is_some_and(|written| written.as_str() == key));
        self.writes = others;
        if !is_stored {
            taken.put(self.data.remove(key));
            return Ok(None);
        }
        let mut writes: Writes = its;
        writes.push(Write::Take(Key::new(key), taken.clone()));
        let record = self.record.clone();
        Ok(Some(Changes::new(
            record,
            Identity::Keep,
            false,
            None,
            writes,
        )))
    }

    /// Whether the record holds a value under this key that goes on to be this session's.
    fn is_stored(&self, key: &str) -> bool {
        let original = self
            .originals
            .iter()
            .find(|(known, _)| known.as_str() == key);
        let stored = match original {
            Some((_, original)) => original.is_some(),
            None => self.data.get(key).is_some(),
        };
        let is_reset = |write: &Write| matches!(write, Write::Reset);
        stored && self.record.is_some() && !self.writes.iter().any(is_reset)
    }

    /// Goes on from what was read again; what was not saved is thrown away, but for a logout or a
    /// new id.
    pub(super) fn start_over(&mut self, loaded: Loaded) {
        self.writes.clear();
        self.originals.clear();
        self.forced = false;
        self.failure = None;
        self.data = SessionData::default();
        match self.identity {
            Identity::End => return,
            Identity::Login => self.identity = Identity::Renew, // nobody is logged in by it any more
            Identity::Keep | Identity::Renew => {}
        }
        if self.record.is_some() && loaded.record.is_none() {
            self.fate = Fate::Gone;
            return;
        }
        if let Some(cookie) = loaded.cookie {
            self.cookie = Some(CookieChange::Set(*cookie));
        }
        self.record = loaded.record;
        self.data = loaded.data;
    }

    /// Remembers where a session is now that is looked at from time to time. Once there is nothing
    /// more to save: until then, record and data belong together.
    pub(super) fn see(&mut self, newer: Record) {
        if self.writing != Writing::Open {
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
        self.identity == Identity::End
    }

    /// Whether there is nothing to save or to report.
    pub(super) fn is_quiet(&self) -> bool {
        !self.is_dirty() && self.fate != Fate::Lost && self.failure.is_none()
    }

    /// Whether the session takes changes at all.
    fn check_open(&self) -> Result<(), SessionError> {
        match self.writing {
            Writing::Open => Ok(()),
            Writing::Closed => Err(SessionError::Committed),
            Writing::Unavailable => {
                let why = "an empty session stands in for one that could not be read: it takes no changes";
                Err(SessionError::store(why))
            }
        }
    }

    /// What is to be written, if anything. Without `keep_data` only what concerns the id is; the
    /// `last` time the data itself goes along, else a copy.
    pub(super) fn take_changes(&mut self, keep_data: bool, last: bool) -> Option<Changes> {
        self.drop_idle_writes();
        let mut writes = std::mem::take(&mut self.writes);
        let mut forced = std::mem::take(&mut self.forced);
        if !keep_data {
            writes.retain(|write| write.is_identity());
            forced = false;
        }
        let identity = std::mem::take(&mut self.identity);
        if writes.is_empty() && !forced && identity == Identity::Keep {
            return None;
        }
        if self.fate == Fate::Gone {
            // Nothing begins in place of a session that is over. But a logout goes through: it may
            // live on under an id that another request gave it.
            let record = self.record.take().filter(|_| identity == Identity::End)?;
            return Some(Changes::new(
                Some(record),
                identity,
                false,
                None,
                Writes::new(),
            ));
        }
        let data = match (keep_data, last) {
            (false, _) => None,
            (true, true) => Some(std::mem::take(&mut self.data)),
            (true, false) => Some(self.data.clone()),
        };
        let record = if last {
            self.record.take()
        } else {
            self.record.clone()
        };
        Some(Changes::new(record, identity, forced, data, writes))
    }

    pub(super) fn note(
        &mut self,
        commit: Result<Commit, SessionError>,
    ) -> Result<(), SessionError> {
        match commit {
            Ok(Commit::Unchanged) => {}
            Ok(Commit::Saved {
                record,
                data,
                cookie,
            }) => {
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
        self.data = saved;
        for (key, original) in &mut self.originals {
            *original = self.data.get(key.as_str()).cloned();
        }
        if self.writes.iter().any(|write| write.key().is_none()) {
            self.remember_all();
        }
        let writes = &self.writes;
        writes
            .iter()
            .try_for_each(|write| write.apply(&mut self.data))
    }

    /// Forgets writes to keys that hold again what they held before.
    fn drop_idle_writes(&mut self) {
        if !self.has_changes() {
            self.writes.clear();
        } else if self.writes.len() > 1 && self.writes.iter().all(|write| write.key().is_some()) {
            let (data, originals) = (&self.data, &self.originals);
            let differs = |key: &Key| {
                let original = originals.iter().find(|(known, _)| known == key);
                original.is_none_or(|(_, original)| data.get(key.as_str()) != original.as_ref())
            };
            self.writes.retain(|write| write.key().is_none_or(differs));
        }
        self.originals.clear();
    }

    /// Whether the session ended while the request ran.
    pub(super) fn is_gone(&self) -> bool {
        self.fate == Fate::Gone
    }

    /// The record whose end a mere visit may move.
    pub(super) fn visited(&self) -> Option<&Record> {
        self.record.as_ref().filter(|_| self.fate == Fate::Fine)
    }

    /// Lets other requests of the visitor go on.
    pub(super) fn let_go(&mut self) {
        self.hold = None;
    }

    /// The cookie the response needs, all commits of the request taken together.
    pub(super) fn take_cookie_change(&mut self) -> Option<CookieChange> {
        match self.cookie.take() {
            Some(change) => Some(change),
            None => (self.sent == Sent::Nowhere && self.record.is_none())
                .then_some(CookieChange::Remove),
        }
    }
}

fn check_limits(
    data: &SessionData,
    key: &str,
    old: Option<&Bytes>,
    json: &Bytes,
    policy: &SessionPolicy,
) -> Result<(), SessionError> {
    let comma = usize::from(!data.is_empty());
    let total = match old {
        Some(old) => data.json_len() - old.len() + json.len(),
        None => data.json_len() + comma + key.len() + json.len() + 3,
    };
    let too_large = |would: String| Err(SessionError::TooLarge(would));
    if total > policy.max_bytes {
        let most = policy.max_bytes;
        return too_large(format!(
            "{key:?} would bring it to {total} bytes, and SESSION_MAX_BYTES is {most}"
        ));
    }
    let count = || data.keys().count();
    if old.is_none() && count() >= policy.max_keys && !super::data::is_reserved(key.as_bytes()) {
        let (number, most) = (count() + 1, policy.max_keys);
        return too_large(format!(
            "{key:?} would be key number {number}, and SESSION_MAX_KEYS is {most}"
        ));
    }
    if json.len() > policy.max_depth && depth(json) > policy.max_depth {
        let (depth, most) = (depth(json), policy.max_depth);
        return too_large(format!(
            "{key:?} would be nested {depth} deep, and SESSION_MAX_DEPTH is {most}"
        ));
    }
    Ok(())
}

/// How deep arrays and objects are nested in a JSON text.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_for_an_unreadable_session_takes_no_changes() {
        let mut state = State::default();
        state.fill(Loaded::unavailable());
        let set = state.set("key", "1".into(), &SessionPolicy::default());
        assert!(matches!(set, Err(SessionError::Store(_))), "{set:?}");
        assert!(matches!(state.flush(), Err(SessionError::Store(_))));
        assert!(!state.is_dirty());
    }

    #[test]
    fn depth_counts_brackets_outside_of_text() {
        for (json, expected) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a":[[1],2]}"#, 3),
            (r#""[[[""#, 0),
            (r#"["\"[[", {}]"#, 2),
        ] {
            assert_eq!(depth(json.as_bytes()), expected, "{json}");
        }
    }
}
