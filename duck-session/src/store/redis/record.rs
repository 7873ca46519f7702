//! A session as Redis keeps it, and the names of keys.

use bytes::Bytes;
use redis::{RedisWrite, ToRedisArgs};
use smallvec::SmallVec;

use crate::clock::Clock;
use crate::store::{SessionKey, StoredSession, UserKey, Version};

/// The first byte: the format.
const FORMAT: u8 = 1;

/// Where the parts of a record are: the format, the version, the end, whether there is a user, the user, until
/// when the user's list has the session, and then what is sealed. The scripts know these places too.
const VERSION: usize = 1;
const EXPIRES: usize = 17;
const HAS_USER: usize = 25;
const USER: usize = 26;
const LISTED: usize = 42;
const BYTES: usize = 56;

/// Until when a list has a session, as 14 decimal digits: milliseconds since 1970 by the server's clock.
pub(super) const NOT_LISTED: [u8; BYTES - LISTED] = [b'0'; BYTES - LISTED];

/// How much longer than a session the server keeps its record: the engine says when a session is over, and
/// its clock may be behind.
const SLACK: u64 = 10 * 60 * 1000;

/// Longer than any cookie lives, and short enough for Redis to add to its clock.
const LONGEST: u64 = 100 * 365 * 24 * 3_600_000;

/// The part of a record before [`LISTED`].
pub(super) fn head(session: &StoredSession) -> [u8; LISTED] {
    let mut head = [0; LISTED];
    head[0] = FORMAT;
    head[VERSION..EXPIRES].copy_from_slice(&version(session.version()));
    head[EXPIRES..HAS_USER].copy_from_slice(&session.expires().to_be_bytes());
    if let Some(user) = session.user() {
        head[HAS_USER] = 1;
        head[USER..LISTED].copy_from_slice(user.as_bytes());
    }
    head
}

/// A version as it stands in a record.
pub(super) fn version(version: Version) -> [u8; EXPIRES - VERSION] {
    let mut bytes = [0; EXPIRES - VERSION];
    bytes[..8].copy_from_slice(&version.count.to_be_bytes());
    bytes[8..].copy_from_slice(&version.random.to_be_bytes());
    bytes
}

/// A whole record.
pub(super) fn encode(session: &StoredSession, listed: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(BYTES + session.bytes().len());
    record.extend_from_slice(&head(session));
    record.extend_from_slice(listed);
    record.extend_from_slice(session.bytes());
    record
}

/// Reads a record; `None` where it is anything else.
pub(super) fn decode(key: SessionKey, record: Vec<u8>) -> Option<StoredSession> {
    let head: [u8; LISTED] = *record.first_chunk()?;
    if head[0] != FORMAT || record.len() < BYTES {
        return None;
    }
    let number = |at: usize| Some(u64::from_be_bytes(*head[at..].first_chunk()?));
    let version = Version {
        count: number(VERSION)?,
        random: number(VERSION + 8)?,
    };
    let user = UserKey::from_bytes(*head[USER..].first_chunk()?);
    let user = (head[HAS_USER] == 1).then_some(user);
    let expires = number(EXPIRES)?;
    let bytes = Bytes::from(record).slice(BYTES..);
    Some(StoredSession::new(key, version, user, expires, bytes))
}

/// How many milliseconds the server keeps the record of a session. It is a time from now on, so the clock of the
/// server may differ from this machine's.
pub(super) fn time_to_live(session: &StoredSession) -> u64 {
    let left = session.expires().saturating_sub(Clock::default().now());
    left.min(LONGEST) + SLACK
}

/// How long a list of sessions keeps one that is written now: so long that most writes find it there.
pub(super) fn time_in_list(session: &StoredSession) -> u64 {
    2 * time_to_live(session)
}

/// How old an entry of a list has to be before it goes, at least, in milliseconds.
pub(super) const LEAST_AGE: u64 = 60 * 1000;

/// An entry of a user's list is a session's key, and then when the entry was made.
pub(super) fn key_of_entry(entry: &[u8]) -> Option<SessionKey> {
    entry.first_chunk().copied().map(SessionKey::from_bytes)
}

/// The names of a site's keys.
pub(super) struct Names {
    sessions: String,
    users: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            sessions: format!("{prefix}session:"),
            users: format!("{prefix}user:"),
        }
    }

    pub(super) fn session(&self, key: &SessionKey) -> Name {
        Name::new(&self.sessions, key.as_bytes())
    }

    pub(super) fn user(&self, user: &UserKey) -> Name {
        Name::new(&self.users, user.as_bytes())
    }

    /// What `SCAN` finds records by. A prefix has no character that means something in it.
    pub(super) fn all_sessions(&self) -> String {
        format!("{}*", self.sessions)
    }

    /// The key of a record, by its name.
    pub(super) fn key(&self, name: &[u8]) -> Option<SessionKey> {
        let key = name.strip_prefix(self.sessions.as_bytes())?;
        SessionKey::from_hex(std::str::from_utf8(key).ok()?)
    }
}

/// The name of a record or a list: the prefix and 32 hexadecimal digits. With a prefix of usual length it takes no
/// memory of its own.
pub(super) struct Name(SmallVec<[u8; 96]>);

impl Name {
    fn new(prefix: &str, key: &[u8; 16]) -> Self {
        let mut name = SmallVec::from_slice(prefix.as_bytes());
        name.resize(prefix.len() + 32, 0);
        data_encoding::HEXLOWER.encode_mut(key, &mut name[prefix.len()..]);
        Self(name)
    }
}

impl ToRedisArgs for Name {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        out.write_arg(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: SessionKey = SessionKey::from_bytes([7; 16]);

    #[test]
    fn a_record_reads_as_it_was_written() {
        for user in [None, Some(UserKey::from_bytes([0; 16]))] {
            for bytes in [&b""[..], b"\0sealed\r\n"] {
                let version = Version {
                    count: u64::MAX,
                    random: 1,
                };
                let session = StoredSession::new(KEY, version, user, u64::MAX, bytes.to_vec());
                let read = decode(KEY, encode(&session, &NOT_LISTED)).unwrap();
                assert_eq!(read.version(), version);
                assert_eq!(read.user(), user.as_ref());
                assert_eq!(read.expires(), u64::MAX);
                assert_eq!(read.bytes(), bytes);
            }
        }
    }

    #[test]
    fn anything_else_is_no_record() {
        let session = StoredSession::new(KEY, Version::first(), None, 0, "");
        let record = encode(&session, &NOT_LISTED);
        for len in 0..record.len() {
            assert!(decode(KEY, record[..len].to_vec()).is_none(), "{len}");
        }
        let mut later = record;
        later[0] = 2;
        assert!(decode(KEY, later).is_none());
    }

    #[test]
    fn a_name_is_read_as_it_was_written() {
        let names = Names::new("duck:mysite:");
        let name = names.session(&KEY);
        assert_eq!(names.key(&name.0), Some(KEY));
        for other in ["duck:mysite:session:", "duck:mysite:user:07", "07", ""] {
            assert_eq!(names.key(other.as_bytes()), None, "{other}");
        }
    }
}
