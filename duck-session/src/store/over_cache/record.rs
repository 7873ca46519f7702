use bytes::Bytes;

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

pub(super) fn decode(key: SessionKey, mut value: Bytes) -> Option<StoredSession> {
    let (count, random) = (number(&mut value)?, number(&mut value)?);
    let expires = number(&mut value)?;
    let user = match take::<1>(&mut value)? {
        [0] => None,
        [1] => Some(UserKey::from_bytes(take(&mut value)?)),
        _ => return None,
    };
    let version = Version { count, random };
    Some(StoredSession::new(key, version, user, expires, value))
}

fn number(value: &mut Bytes) -> Option<u64> {
    take(value).map(u64::from_le_bytes)
}

fn take<const N: usize>(value: &mut Bytes) -> Option<[u8; N]> {
    let taken = value.first_chunk().copied()?;
    _ = value.split_to(N);
    Some(taken)
}
