//! What is left where a session had its id until it got a new one: rule 33.

use bytes::Bytes;
use duck::session::{SessionData, SessionId};

use crate::seal::{Handle, Sealer};

/// Where the session is now.
const MOVED_TO: &str = "_duck.moved";

/// Its new id, sealed with the old one.
const NEXT: &str = "_duck.next";

/// Until when the old id still leads there.
const GRACE: &str = "_duck.grace";

/// Says that an id was given up, and where its session went.
pub(super) struct Tombstone {
    /// Where it is now: logging out in a request that knows only the old id ends it there.
    pub(super) to: Option<Handle>,
    next: Option<Next>,
}

/// How requests that were on their way with the old id find the session, after a renewal that nobody
/// asked for. Whoever reads the storage cannot: the new id is sealed with the old one.
struct Next {
    sealed: String,
    until: u64,
}

impl Tombstone {
    /// Of a session that went to `to`. The old id is worth nothing from now on.
    pub(super) fn new(to: Handle) -> Self {
        Self {
            to: Some(to),
            next: None,
        }
    }

    /// The same, but the old id leads to the new one for a while.
    pub(super) fn with_grace(self, sealed: String, until: u64) -> Self {
        let next = Some(Next { sealed, until });
        Self { next, ..self }
    }

    /// The new id, for whoever has the old one, while there is grace.
    pub(super) fn next(&self, old: &SessionId, sealer: &Sealer, now: u64) -> Option<SessionId> {
        let next = self.next.as_ref().filter(|next| now < next.until)?;
        sealer.unwrap_id(old, &next.sealed)
    }

    /// The same without regard to grace, for a request that has the session already.
    pub(super) fn followed(&self, old: &SessionId, sealer: &Sealer) -> Option<SessionId> {
        sealer.unwrap_id(old, &self.next.as_ref()?.sealed)
    }

    pub(super) fn read(data: &SessionData) -> Self {
        let to: Option<String> = get(data, MOVED_TO);
        let next = || {
            Some(Next {
                sealed: get(data, NEXT)?,
                until: get(data, GRACE)?,
            })
        };
        Self {
            to: to.and_then(|text| Handle::parse(&text)),
            next: next(),
        }
    }

    pub(super) fn write(&self) -> SessionData {
        let mut data = SessionData::default();
        if let Some(to) = &self.to {
            data.set(MOVED_TO, text(to.as_str()));
        }
        if let Some(next) = &self.next {
            data.set(NEXT, text(&next.sealed));
            data.set(GRACE, next.until.to_string().into());
        }
        data
    }
}

fn get<T: serde::de::DeserializeOwned>(data: &SessionData, key: &str) -> Option<T> {
    serde_json::from_slice(data.get(key)?).ok()
}

/// A text of base64url or hexadecimal as JSON.
fn text(text: &str) -> Bytes {
    format!("\"{text}\"").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_id_is_found_with_the_old_one_and_in_time_only() {
        let secret = duck::Settings::default().with(
            "SECRET_KEY",
            "a key of more than thirty-two bytes for tests",
        );
        let secret = duck::settings::SecretKey::from_settings(&secret).unwrap();
        for sealer in [Sealer::Open, Sealer::sealed(&secret, true).unwrap()] {
            let [old, new, other] = [1, 2, 3].map(|byte| SessionId::from_bytes([byte; 32]));
            let sealed = sealer.wrap_id(&old, &new).unwrap();
            let tombstone = Tombstone::new(sealer.handle(&new)).with_grace(sealed, 100);
            let read = Tombstone::read(&tombstone.write());
            assert_eq!(read.next(&old, &sealer, 99), Some(new));
            assert_eq!(read.next(&old, &sealer, 100), None, "grace is over");
            assert!(read.to == Some(sealer.handle(&new)));
            if !matches!(sealer, Sealer::Open) {
                assert_eq!(read.next(&other, &sealer, 99), None, "another id");
                let stored = format!("{:?}", tombstone.write().get(NEXT));
                assert!(!stored.contains(new.reveal()), "it is not readable");
            }
        }
        let plain =
            Tombstone::read(&Tombstone::new(Handle::Id(SessionId::from_bytes([1; 32]))).write());
        assert_eq!(
            plain.next(&SessionId::from_bytes([1; 32]), &Sealer::Open, 0),
            None
        );
    }
}
