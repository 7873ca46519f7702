//! The statements that read and change the table of sessions, and a row of it.

use bytes::Bytes;
use deadpool_postgres::tokio_postgres::types::ToSql;
use deadpool_postgres::tokio_postgres::{Error, Row};

use crate::store::{SessionKey, StoredSession, UserKey, Version};

pub(super) const LOAD: &str =
    "SELECT key, count, random, user_key, expires, bytes FROM duck_sessions WHERE key = $1";

pub(super) const CREATE: &str = "INSERT INTO duck_sessions \
     (key, count, random, user_key, expires, due, bytes) VALUES ($1, $2, $3, $4, $5, $6, $7) \
     ON CONFLICT (key) DO NOTHING";

/// A save that prolongs a session leaves `due` as it is: no column of an index changes, so PostgreSQL writes the new
/// row beside the old one and no index.
pub(super) const REPLACE: &str = "UPDATE duck_sessions SET count = $2, random = $3, user_key = $4, \
     expires = $5, due = least(due, $6), bytes = $7 WHERE key = $1 AND count = $8 AND random = $9";

pub(super) const REMOVE: &str = "DELETE FROM duck_sessions WHERE key = $1";

pub(super) const REMOVE_VERSION: &str =
    "DELETE FROM duck_sessions WHERE key = $1 AND count = $2 AND random = $3";

pub(super) const OF_USER: &str = "SELECT key, count, random, user_key, expires, bytes \
     FROM duck_sessions WHERE user_key = $1 LIMIT $2";

pub(super) const PAGE: &str = "SELECT key, count, random, user_key, expires, bytes \
     FROM duck_sessions WHERE key > $1 ORDER BY key LIMIT $2";

/// Rows that somebody else is writing are passed over. The others are locked, as they are by then, and looked at once
/// more: a session that was prolonged meanwhile stays. An `expires` beyond 2^63 is below 0 here.
pub(super) const SWEEP: &str = "WITH looked AS ( \
         SELECT key FROM duck_sessions WHERE due < $1 ORDER BY due LIMIT $2 FOR UPDATE SKIP LOCKED \
     ), removed AS ( \
         DELETE FROM duck_sessions USING looked WHERE duck_sessions.key = looked.key \
         AND expires >= 0 AND expires < $1 RETURNING 1 \
     ), postponed AS ( \
         UPDATE duck_sessions SET due = CASE WHEN expires < 0 THEN 9223372036854775807 ELSE expires END \
         FROM looked WHERE duck_sessions.key = looked.key AND (expires < 0 OR expires >= $1) RETURNING 1 \
     ) SELECT (SELECT count(*) FROM removed), (SELECT count(*) FROM postponed)";

/// Some of all: one statement for millions of rows would take longer than it may. Gives how many it looked at, since
/// somebody else may delete some of them first.
pub(super) const CLEAR: &str = "WITH looked AS ( \
         SELECT key FROM duck_sessions ORDER BY key LIMIT $1 \
     ), removed AS ( \
         DELETE FROM duck_sessions USING looked WHERE duck_sessions.key = looked.key \
     ) SELECT count(*) FROM looked";

/// A session as a row.
pub(super) struct Columns<'a> {
    key: &'a [u8],
    count: i64,
    random: i64,
    user: Option<&'a [u8]>,
    expires: i64,
    due: i64,
    bytes: &'a [u8],
}

impl<'a> Columns<'a> {
    pub(super) fn of(session: &'a StoredSession) -> Self {
        let (count, random) = numbers(session.version());
        Self {
            key: session.key().as_bytes(),
            count,
            random,
            user: session.user().map(|user| &user.as_bytes()[..]),
            expires: session.expires().cast_signed(),
            due: due(session.expires()),
            bytes: session.bytes(),
        }
    }

    /// In the order of the statements.
    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 7] {
        [
            &self.key,
            &self.count,
            &self.random,
            &self.user,
            &self.expires,
            &self.due,
            &self.bytes,
        ]
    }
}

pub(super) fn numbers(version: Version) -> (i64, i64) {
    (version.count.cast_signed(), version.random.cast_signed())
}

/// PostgreSQL's numbers have a sign: this one's order is kept, for the index.
pub(super) fn due(expires: u64) -> i64 {
    i64::try_from(expires).unwrap_or(i64::MAX)
}

pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The session of a row. The table sees to the length of keys.
pub(super) fn session(row: &Row) -> Result<StoredSession, Error> {
    let version = Version {
        count: row.try_get::<_, i64>(1)?.cast_unsigned(),
        random: row.try_get::<_, i64>(2)?.cast_unsigned(),
    };
    let user = row.try_get::<_, Option<&[u8]>>(3)?;
    let expires = row.try_get::<_, i64>(4)?.cast_unsigned();
    let bytes = Bytes::copy_from_slice(row.try_get(5)?);
    let key = SessionKey::from_bytes(array(row.try_get(0)?));
    let user = user.map(|user| UserKey::from_bytes(array(user)));
    Ok(StoredSession::new(key, version, user, expires, bytes))
}

fn array(bytes: &[u8]) -> [u8; 16] {
    bytes.try_into().unwrap_or_default()
}
