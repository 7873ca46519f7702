//! The statements that read and change the sessions of a shard.

use bytes::Bytes;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ffi, params, params_from_iter};

use super::super::bounds::Rank;
use super::super::{SessionKey, StoredSession, UserKey, Version};
use super::place::{Place, Prefix};

/// How many sessions are given up at once at least, where there may be so many that it does not matter.
pub(super) const BATCH: u64 = 64;

/// A sweep also meets sessions that were prolonged; it looks at no more than so many times what it was asked to
/// remove.
pub(super) const LOOKS_PER_REMOVAL: usize = 4;

/// `id` is the [`Place`] of the key. `due` is when the sweep looks at a session: it may be before
/// `expires`, never after it, so that a write that prolongs a session leaves the indexes alone.
pub(super) const TABLE: &str = "
    CREATE TABLE sessions (
        id INTEGER PRIMARY KEY,
        key BLOB NOT NULL,
        count INTEGER NOT NULL,
        random INTEGER NOT NULL,
        user BLOB,
        expires INTEGER NOT NULL,
        rank INTEGER NOT NULL,
        due INTEGER NOT NULL,
        bytes BLOB NOT NULL
    );
";

pub(super) const INDEXES: &str = "
    CREATE INDEX sessions_due ON sessions (rank, due);
    CREATE INDEX sessions_user ON sessions (user) WHERE user IS NOT NULL;
";

const LOAD: &str = "SELECT key, count, random, user, expires, bytes FROM sessions WHERE id = ?1";
const OF_USER: &str =
    "SELECT key, count, random, user, expires, bytes FROM sessions WHERE user = ?1 LIMIT ?2";
const PAGE: &str = "SELECT key, count, random, user, expires, bytes FROM sessions \
     WHERE id >= ?1 ORDER BY id LIMIT ?2";
const INSERT: &str = "INSERT INTO sessions (id, key, count, random, user, expires, rank, due, bytes) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING";
/// No column of an index is in it.
const UPDATE: &str = "UPDATE sessions SET count = ?3, random = ?4, expires = ?6, bytes = ?9 \
     WHERE id = ?1 AND key = ?2 AND count = ?10 AND random = ?11 \
     AND user IS ?5 AND rank = ?7 AND due <= ?8";
const UPDATE_INDEXES: &str = "UPDATE sessions SET count = ?3, random = ?4, user = ?5, expires = ?6, \
     rank = ?7, due = ?8, bytes = ?9 WHERE id = ?1 AND key = ?2 AND count = ?10 AND random = ?11";
const DELETE: &str = "DELETE FROM sessions WHERE id = ?1 AND key = ?2";
const DELETE_VERSION: &str =
    "DELETE FROM sessions WHERE id = ?1 AND key = ?2 AND count = ?3 AND random = ?4";
const DUE: &str =
    "SELECT id, expires FROM sessions WHERE rank = ?1 AND due < ?2 ORDER BY due LIMIT ?3";
const DELETE_ROW: &str = "DELETE FROM sessions WHERE id = ?1";
const POSTPONE: &str = "UPDATE sessions SET due = ?2 WHERE id = ?1";
const EVICT: &str = "DELETE FROM sessions WHERE id IN \
     (SELECT id FROM sessions WHERE rank = ?1 ORDER BY due LIMIT ?2)";

/// SQLite's numbers have a sign: this one's order is kept, for indexes.
fn due(expires: u64) -> i64 {
    i64::try_from(expires).unwrap_or(i64::MAX)
}

fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn session(row: &Row<'_>) -> rusqlite::Result<StoredSession> {
    let version = Version {
        count: row.get::<_, i64>(1)?.cast_unsigned(),
        random: row.get::<_, i64>(2)?.cast_unsigned(),
    };
    let user = row.get::<_, Option<[u8; 16]>>(3)?.map(UserKey::from_bytes);
    let expires = row.get::<_, i64>(4)?.cast_unsigned();
    let bytes = Bytes::copy_from_slice(row.get_ref(5)?.as_blob()?);
    let key = SessionKey::from_bytes(row.get(0)?);
    Ok(StoredSession::new(key, version, user, expires, bytes))
}

pub(super) fn load(
    connection: &Connection,
    key: &SessionKey,
) -> rusqlite::Result<Option<StoredSession>> {
    let found = connection
        .prepare_cached(LOAD)?
        .query_row([Place::of(key).row()], session)
        .optional()?;
    Ok(found.filter(|session| session.key() == key))
}

/// Up to so many sessions of a user.
pub(super) fn of_user(
    connection: &Connection,
    user: &UserKey,
    most: usize,
) -> rusqlite::Result<Vec<StoredSession>> {
    connection
        .prepare_cached(OF_USER)?
        .query_map(params![user.as_bytes(), limit(most)], session)?
        .collect()
}

/// Up to so many sessions from a place on, in the order of places.
pub(super) fn page(
    connection: &Connection,
    from: Place,
    most: usize,
) -> rusqlite::Result<Vec<StoredSession>> {
    connection
        .prepare_cached(PAGE)?
        .query_map([from.row(), limit(most)], session)?
        .collect()
}

pub(super) fn create(connection: &Connection, new: &StoredSession) -> rusqlite::Result<bool> {
    let mut insert = connection.prepare_cached(INSERT)?;
    Ok(insert.execute(params_from_iter(columns(new)))? > 0)
}

pub(super) fn replace(
    connection: &Connection,
    expected: Version,
    new: &StoredSession,
) -> rusqlite::Result<bool> {
    let expected = [expected.count, expected.random].map(|number| number.cast_signed().into());
    let columns = columns(new);
    for statement in [UPDATE, UPDATE_INDEXES] {
        let mut update = connection.prepare_cached(statement)?;
        if update.execute(params_from_iter(columns.iter().chain(&expected)))? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A session as its row, in the order of the columns of [`TABLE`].
fn columns(session: &StoredSession) -> [ToSqlOutput<'_>; 9] {
    let blob = |bytes| ToSqlOutput::Borrowed(ValueRef::Blob(bytes));
    let (version, user) = (session.version(), session.user());
    [
        Place::of(session.key()).row().into(),
        blob(session.key().as_bytes()),
        version.count.cast_signed().into(),
        version.random.cast_signed().into(),
        user.map_or(ToSqlOutput::Borrowed(ValueRef::Null), |user| {
            blob(user.as_bytes())
        }),
        session.expires().cast_signed().into(),
        (Rank::of(session) as i64).into(),
        due(session.expires()).into(),
        blob(session.bytes()),
    ]
}

pub(super) fn remove(
    connection: &Connection,
    key: &SessionKey,
    expected: Option<Version>,
) -> rusqlite::Result<bool> {
    let (row, bytes) = (Place::of(key).row(), key.as_bytes());
    let removed = match expected {
        None => connection
            .prepare_cached(DELETE)?
            .execute(params![row, bytes])?,
        Some(version) => connection.prepare_cached(DELETE_VERSION)?.execute(params![
            row,
            bytes,
            version.count.cast_signed(),
            version.random.cast_signed(),
        ])?,
    };
    Ok(removed > 0)
}

/// What a sweep did.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Swept {
    pub(super) removed: usize,
    /// Sessions that were prolonged since they were last looked at.
    pub(super) postponed: usize,
}

/// Looks at up to so many sessions that are due: removes those that expired, postpones the others.
pub(super) fn sweep(connection: &Connection, now: u64, most: usize) -> rusqlite::Result<Swept> {
    let mut swept = Swept::default();
    for rank in Rank::ALL {
        let left = most - swept.removed - swept.postponed;
        for (row, expires) in due_rows(connection, rank, now, left)? {
            if expires < now {
                swept.removed += connection.prepare_cached(DELETE_ROW)?.execute([row])?;
            } else {
                let mut postpone = connection.prepare_cached(POSTPONE)?;
                swept.postponed += postpone.execute([row, due(expires)])?;
            }
        }
    }
    Ok(swept)
}

fn due_rows(
    connection: &Connection,
    rank: Rank,
    now: u64,
    most: usize,
) -> rusqlite::Result<Vec<(i64, u64)>> {
    connection
        .prepare_cached(DUE)?
        .query_map([rank as i64, due(now), limit(most)], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })?
        .collect()
}

/// Removes up to so many sessions of this rank, the oldest first.
pub(super) fn evict(connection: &Connection, rank: Rank, most: u64) -> rusqlite::Result<usize> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    connection
        .prepare_cached(EVICT)?
        .execute([rank as i64, most])
}

/// Fails where nothing can be read.
pub(super) fn probe(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("SELECT id FROM sessions LIMIT 1")
}

/// How many there are.
pub(super) fn count(connection: &Connection) -> rusqlite::Result<u64> {
    number(connection, "SELECT count(*) FROM sessions")
}

/// Copies sessions from another shard, attached as `old`.
const COPY: &str =
    "INSERT INTO main.sessions SELECT * FROM old.sessions WHERE id BETWEEN ?1 AND ?2 ORDER BY id";

/// Removes what was removed there since, or changed.
const FORGET: &str = "DELETE FROM main.sessions AS copy WHERE NOT EXISTS (SELECT 1 FROM old.sessions AS it \
     WHERE it.id = copy.id AND it.count = copy.count AND it.random = copy.random)";

/// Copies what is not there yet.
const COMPLETE: &str = "INSERT INTO main.sessions SELECT * FROM old.sessions AS it \
     WHERE id BETWEEN ?1 AND ?2 AND NOT EXISTS (SELECT 1 FROM main.sessions AS copy WHERE copy.id = it.id)";

/// Copies the sessions of these places from the shard attached as `old`.
pub(super) fn copy(connection: &Connection, places: Prefix) -> rusqlite::Result<()> {
    let range = [places.first().row(), places.last().row()];
    connection.execute(COPY, range).map(drop)
}

/// Brings a copy of these places up to date.
pub(super) fn copy_changes(connection: &Connection, places: Prefix) -> rusqlite::Result<()> {
    let range = [places.first().row(), places.last().row()];
    connection.execute(FORGET, [])?;
    connection.execute(COMPLETE, range).map(drop)
}

/// What became of a shard, in its `user_version`. A shard that is over holds no session any more. No flipped bits
/// make one of these numbers another one: a damaged shard is not taken for one that is over, and removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Live = 0,
    /// Its sessions are in newer ones.
    Split = i32::from_be_bytes(*b"splt") as isize,
    /// Its sessions were removed.
    Cleared = i32::from_be_bytes(*b"clrd") as isize,
}

pub(super) fn fate(connection: &Connection) -> rusqlite::Result<Fate> {
    let version: i32 = connection
        .prepare_cached("PRAGMA user_version")?
        .query_row([], |row| row.get(0))?;
    let fates = [Fate::Live, Fate::Split, Fate::Cleared];
    let fate = fates.into_iter().find(|fate| *fate as i32 == version);
    let corrupt = ffi::Error::new(ffi::SQLITE_CORRUPT);
    fate.ok_or(rusqlite::Error::SqliteFailure(corrupt, None))
}

/// Empties a shard for good.
pub(super) fn end(connection: &Connection, fate: Fate) -> rusqlite::Result<()> {
    let version = fate as i32;
    connection.execute_batch(&format!(
        "DELETE FROM sessions; PRAGMA user_version = {version};"
    ))
}

/// The pages of a shard's file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pages {
    pub(super) used: u64,
    /// What was deleted is free for others.
    pub(super) free: u64,
}

pub(super) fn pages(connection: &Connection) -> rusqlite::Result<Pages> {
    let all = number(connection, "PRAGMA page_count")?;
    let free = number(connection, "PRAGMA freelist_count")?;
    let used = all.saturating_sub(free);
    Ok(Pages { used, free })
}

fn number(connection: &Connection, query: &str) -> rusqlite::Result<u64> {
    let number: i64 = connection
        .prepare_cached(query)?
        .query_row([], |row| row.get(0))?;
    Ok(number.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_does_not_end_a_shard() {
        let connection = Connection::open_in_memory().unwrap();
        for ended in [Fate::Live, Fate::Split, Fate::Cleared] {
            for bit in 0..i32::BITS {
                let version = ended as i32 ^ 1_i32.rotate_left(bit);
                connection
                    .pragma_update(None, "user_version", version)
                    .unwrap();
                fate(&connection).unwrap_err();
            }
            let version = ended as i32;
            connection
                .pragma_update(None, "user_version", version)
                .unwrap();
            assert_eq!(fate(&connection).unwrap(), ended);
        }
    }

    #[test]
    fn a_copy_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old");
        let [old, copied] =
            [Connection::open(&path), Connection::open_in_memory()].map(Result::unwrap);
        for database in [&old, &copied] {
            database.execute_batch(TABLE).unwrap();
        }
        copied
            .execute("ATTACH ?1 AS old", [path.to_str().unwrap()])
            .unwrap();
        let session = |number: u128| {
            let key = SessionKey::from_bytes(number.to_be_bytes());
            StoredSession::new(key, Version::first(), None, 1, "")
        };
        let before: Vec<_> = (0..100).map(session).collect();
        for session in &before {
            assert!(create(&old, session).unwrap());
        }
        copy(&copied, Prefix::ALL).unwrap();
        for (number, session) in before.iter().enumerate() {
            let new = StoredSession::new(*session.key(), session.version().next(), None, 2, "new");
            match number % 7 {
                0 => assert!(remove(&old, session.key(), None).unwrap()),
                1 => assert!(replace(&old, session.version(), &new).unwrap()),
                _ => {}
            }
        }
        for number in 100..120 {
            assert!(create(&old, &session(number)).unwrap());
        }
        copy_changes(&copied, Prefix::ALL).unwrap();
        let [all, copied] = [&old, &copied].map(|it| page(it, Place(0), 1000).unwrap());
        let fields =
            |it: &StoredSession| (*it.key(), it.version(), it.expires(), it.bytes().clone());
        assert!(all.iter().map(fields).eq(copied.iter().map(fields)));
    }
}
