//! What one request knows of its session, and what it did to it.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::changes::{Changes, Identity, Write};
use super::data::SessionData;
use super::engine::{Commit, Loaded, NewCookie, Record, SessionPolicy, Visitor};
use crate::session_error::SessionError;

#[derive(Default)]
pub(super) struct State {
    pub(super) record: Option<Record>,
    pub(super) data: SessionData,
    /// The data as it was before the first of `writes`.
    before: SessionData,
    pub(super) writes: Vec<Write>,
    pub(super) identity: Identity,
    pub(super) forced: bool,
    pub(super) closed: bool,
    /// Whether the session ended under this request: nothing is saved any more.
    gone: bool,
    /// Whether a save failed: what it was to write is lost.
    lost: bool,
    /// Whether the visitor came with a live session.
    came: bool,
    dead_cookie: bool,
    unavailable: bool,
    cookie: Option<CookieChange>,
    /// What a guard could not store.
    failure: Option<SessionError>,
}

/// What the response does to the visitor's session cookie.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CookieChange {
    /// It gets a value.
    Set(NewCookie),
    /// It is removed.
    Remove,
}

impl State {
    pub(super) fn fill(&mut self, loaded: Loaded) {
        self.came = loaded.record.is_some();
        self.record = loaded.record;
        self.data = loaded.data;
        self.dead_cookie = loaded.dead_cookie;
        self.unavailable = loaded.unavailable;
    }

    pub(super) fn is_new(&self) -> bool {
        !self.came
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.has_changes() || self.forced || self.identity != Identity::Keep
    }

    /// Whether the data differs: a value set and set back is no change.
    fn has_changes(&self) -> bool {
        !self.writes.is_empty() && self.data != self.before
    }

    /// Notes a write that is about to be made to the data.
    fn note_write(&mut self, write: Write) {
        if self.writes.is_empty() {
            self.before = self.data.clone();
        }
        self.writes.push(write);
    }

    pub(super) fn set(
        &mut self,
        key: &str,
        json: Bytes,
        policy: &SessionPolicy,
    ) -> Result<(), SessionError> {
        self.put(key, &json, policy, || Write::Set(key.into(), json.clone()))
    }

    /// Stores a value if it differs and is within the limits, and notes how to do so again.
    pub(super) fn put(
        &mut self,
        key: &str,
        json: &Bytes,
        policy: &SessionPolicy,
        write: impl FnOnce() -> Write,
    ) -> Result<(), SessionError> {
        self.check_open()?;
        if self.data.get(key) == Some(json) {
            return Ok(());
        }
        check_limits(&self.data, key, json, policy)?;
        self.note_write(write());
        self.data.set(key, json.clone());
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &str) -> Result<Option<Bytes>, SessionError> {
        self.check_open()?;
        if self.data.get(key).is_some() {
            self.note_write(Write::Remove(key.into()));
        }
        Ok(self.data.remove(key))
    }

    pub(super) fn clear(&mut self) -> Result<(), SessionError> {
        self.check_open()?;
        if self.data.keys().next().is_some() {
            self.note_write(Write::Clear);
            self.data.clear();
        }
        Ok(())
    }

    /// Everything goes, and the id with it.
    pub(super) fn flush(&mut self) -> Result<(), SessionError> {
        self.check_open()?;
        self.data = SessionData::default();
        self.writes.clear();
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
        self.note_write(Write::Reset);
        self.data = SessionData::default();
    }

    pub(super) fn fail(&mut self, error: SessionError) {
        self.failure.get_or_insert(error);
    }

    fn check_open(&self) -> Result<(), SessionError> {
        if self.closed {
            return Err(SessionError::Committed);
        }
        if self.unavailable {
            return Err(SessionError::store("the session could not be read"));
        }
        Ok(())
    }

    /// What is to be written, if anything. Without `keep_data` only what concerns the id is.
    pub(super) fn take_changes(&mut self, visitor: &Visitor, keep_data: bool) -> Option<Changes> {
        if !self.has_changes() {
            self.writes.clear();
        }
        let mut writes = std::mem::take(&mut self.writes);
        let mut data = Some(self.data.clone());
        let mut forced = std::mem::take(&mut self.forced);
        if !keep_data {
            writes.retain(Write::is_identity);
            data = None;
            forced = false;
        }
        let identity = std::mem::take(&mut self.identity);
        if self.gone {
            return None;
        }
        if writes.is_empty() && !forced && identity == Identity::Keep {
            return None;
        }
        Some(Changes::new(
            visitor.clone(),
            self.record.clone(),
            identity,
            forced,
            data,
            writes,
        ))
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
                self.cookie = (self.came || self.dead_cookie).then_some(CookieChange::Remove);
            }
            Ok(Commit::Gone) => {
                self.gone = true;
                self.record = None;
                self.dead_cookie = false;
                self.cookie = None;
            }
            Err(error) => {
                self.lost = true;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Goes on from what was saved, with what was written since the save began on top.
    fn take_over(&mut self, saved: SessionData) -> Result<(), SessionError> {
        self.before = saved;
        self.data = self.before.clone();
        let writes = &self.writes;
        writes
            .iter()
            .try_for_each(|write| write.apply(&mut self.data))
    }

    /// What keeps the session from being saved.
    pub(super) fn take_failure(&mut self, keep_data: bool) -> Result<(), SessionError> {
        if self.lost {
            return Err(SessionError::store(
                "an earlier save of this request failed",
            ));
        }
        match self.failure.take() {
            Some(error) if keep_data => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether there is nothing to save or to report.
    pub(super) fn is_quiet(&self) -> bool {
        !self.is_dirty() && !self.lost && self.failure.is_none()
    }

    /// The cookie the response needs, all commits of the request taken together.
    pub(super) fn cookie_change(&self) -> Option<CookieChange> {
        match &self.cookie {
            Some(change) => Some(change.clone()),
            None => (self.dead_cookie && self.record.is_none()).then_some(CookieChange::Remove),
        }
    }
}

fn check_limits(
    data: &SessionData,
    key: &str,
    json: &Bytes,
    policy: &SessionPolicy,
) -> Result<(), SessionError> {
    let old = data.get(key);
    let total = data.json_len() - old.map_or(0, |old| key.len() + old.len() + 4)
        + key.len()
        + json.len()
        + 4;
    let too_large = |limit: String| Err(SessionError::TooLarge(limit));
    if total > policy.max_bytes {
        return too_large(format!("SESSION_MAX_BYTES is {}", policy.max_bytes));
    }
    if old.is_none()
        && data.keys().count() >= policy.max_keys
        && !super::data::is_reserved(key.as_bytes())
    {
        return too_large(format!("SESSION_MAX_KEYS is {}", policy.max_keys));
    }
    if json.len() > policy.max_depth && depth(json) > policy.max_depth {
        return too_large(format!("SESSION_MAX_DEPTH is {}", policy.max_depth));
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

pub(super) fn encode<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Bytes, SessionError> {
    let wrong = |source| SessionError::Value {
        key: key.to_owned(),
        source: Box::new(source),
    };
    serde_json::to_vec(value).map(Bytes::from).map_err(wrong)
}

pub(super) fn decode<T: DeserializeOwned>(key: &str, json: &[u8]) -> Result<T, SessionError> {
    let wrong = |source| SessionError::Value {
        key: key.to_owned(),
        source: Box::new(source),
    };
    serde_json::from_slice(json).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::depth;

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
