use bytes::Bytes;

use crate::reader::Reader;
use crate::store::{SessionKey, StoredSession, UserKey, Version};

/// What stands before the bytes of a session: the version's count and random bits, the end, and whether a
/// user follows.
pub(super) fn encode(session: &StoredSession) -> Vec<u8> {
    let Version { count, random } = session.version();
    let mut value = Vec::with_capacity(41 + session.bytes().len());
    for number in [count, random, session.expires()] {
        value.extend(number.to_le_bytes());
    }
    value.push(u8::from(session.user().is_some()));
    value.extend(session.user().map(UserKey::as_bytes).into_iter().flatten());
    value.extend(session.bytes());
    value
}

pub(super) fn decode(key: SessionKey, value: &Bytes) -> Option<StoredSession> {
    let mut reader = Reader(value);
    let (count, random) = (reader.number()?, reader.number()?);
    let expires = reader.number()?;
    let user = match reader.take()? {
        [0] => None,
        [1] => Some(UserKey::from_bytes(reader.take()?)),
        _ => return None,
    };
    let version = Version { count, random };
    let bytes = value.slice_ref(reader.0);
    Some(StoredSession::new(key, version, user, expires, bytes))
}
