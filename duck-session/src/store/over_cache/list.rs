use crate::store::{SessionKey, StoredSession};

/// How much longer than its session an entry of the list is kept, so that few of the writes that
/// move a session's end have to move the list's.
const LIST_SLACK: u64 = 24 * 60 * 60 * 1000;

/// The sessions of a user, each with the time from which on it is surely gone.
#[derive(Default)]
pub(super) struct List(Vec<(SessionKey, u64)>);

impl List {
    pub(super) fn decode(mut value: &[u8]) -> Self {
        let mut sessions = Vec::with_capacity(value.len() / 24);
        while let Some((entry, rest)) = value.split_first_chunk::<24>() {
            let (key, end) = entry.split_at(16);
            if let (Ok(key), Ok(end)) = (key.try_into(), end.try_into()) {
                sessions.push((SessionKey::from_bytes(key), u64::from_le_bytes(end)));
            }
            value = rest;
        }
        Self(sessions)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let entry =
            |(key, end): &(SessionKey, u64)| [&key.as_bytes()[..], &end.to_le_bytes()].concat();
        self.0.iter().flat_map(entry).collect()
    }

    /// Adds a session, or moves its end, and drops what is gone. Returns whether anything changed.
    pub(super) fn add(&mut self, session: &StoredSession, now: u64) -> bool {
        let end = session.expires().max(now).saturating_add(LIST_SLACK);
        let listed = self.0.iter_mut().find(|(key, _)| key == session.key());
        match listed {
            // Half of the slack is left for the clock.
            Some((_, there)) if *there >= end - LIST_SLACK / 2 => return false,
            Some((_, there)) => *there = end,
            None => self.0.push((*session.key(), end)),
        }
        self.0.retain(|(_, end)| *end > now);
        true
    }

    pub(super) fn remove(&mut self, key: &SessionKey) {
        self.0.retain(|(listed, _)| listed != key);
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &SessionKey> {
        self.0.iter().map(|(key, _)| key)
    }

    /// When the last of them is gone; `None` where the list is empty.
    pub(super) fn end(&self) -> Option<u64> {
        self.0.iter().map(|(_, end)| *end).max()
    }
}
