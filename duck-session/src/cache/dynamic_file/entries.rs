//! The statements that change a shard, each run inside the transaction of a [`Lane`](super::lane).

use rusqlite::{Connection, OptionalExtension, params};

use super::digest::digest;
use super::expiry::Instant;

const FIND: &str = "SELECT value, expires, due, number FROM entries WHERE digest = ?1 AND key = ?2";
const INSERT: &str =
    "INSERT INTO entries (digest, key, value, expires, due) VALUES (?1, ?2, ?3, ?4, ?4)";
const UPDATE: &str = "UPDATE entries SET value = ?2, expires = ?3 WHERE number = ?1";
const UPDATE_DUE: &str = "UPDATE entries SET value = ?2, expires = ?3, due = ?3 WHERE number = ?1";
const DELETE: &str = "DELETE FROM entries WHERE number = ?1";
const DUE: &str = "SELECT number, expires FROM entries WHERE due <= ?1 ORDER BY due LIMIT ?2";
const POSTPONE: &str = "UPDATE entries SET due = expires WHERE number = ?1";

/// What is stored under a key that a change is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    /// Whether it meets the condition of the change.
    pub(super) agrees: bool,
    due: Instant,
    number: i64,
}

/// What a sweep did.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Swept {
    pub(super) removed: usize,
    /// Entries that were prolonged since they were last looked at.
    pub(super) postponed: usize,
}

pub(super) fn find(
    connection: &Connection,
    key: &str,
    condition: &Condition,
    now: Instant,
) -> rusqlite::Result<Option<Held>> {
    connection
        .prepare_cached(FIND)?
        .query_row(params![digest(key), key], |row| {
            let is_live = row.get::<_, Instant>(1)? > now;
            let live = is_live.then_some(row.get_ref(0)?.as_blob()?);
            Ok(Held {
                agrees: condition.holds(live),
                due: row.get(2)?,
                number: row.get(3)?,
            })
        })
        .optional()
}

/// Stores what is under no key yet.
pub(super) fn insert(connection: &Connection, key: &str, new: &Stored) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(INSERT)?
        .execute(params![digest(key), key, new.value, new.expires])
}

pub(super) fn update(connection: &Connection, held: Held, new: &Stored) -> rusqlite::Result<usize> {
    // The sweep may look at an entry too early, never too late.
    let statement = if new.expires < held.due {
        UPDATE_DUE
    } else {
        UPDATE
    };
    connection
        .prepare_cached(statement)?
        .execute(params![held.number, new.value, new.expires])
}

pub(super) fn delete(connection: &Connection, held: Held) -> rusqlite::Result<usize> {
    connection.prepare_cached(DELETE)?.execute([held.number])
}

pub(super) fn clear(connection: &Connection) -> rusqlite::Result<usize> {
    connection.execute("DELETE FROM entries", [])
}

/// Looks at up to `limit` entries that are due: removes those that expired, postpones the others.
pub(super) fn sweep(
    connection: &Connection,
    now: Instant,
    limit: usize,
) -> rusqlite::Result<Swept> {
    let mut swept = Swept::default();
    for (number, expires) in due(connection, now, limit)? {
        if expires <= now {
            swept.removed += connection.prepare_cached(DELETE)?.execute([number])?;
        } else {
            swept.postponed += connection.prepare_cached(POSTPONE)?.execute([number])?;
        }
    }
    Ok(swept)
}

fn due(
    connection: &Connection,
    now: Instant,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, Instant)>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(DUE)?
        .query_map([now, limit], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

pub(super) fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM entries)")?
        .query_row([], |row| row.get(0))
}

/// Whether a shard that may be `most` large takes another entry. One without any always does, or
/// there would be no end to new shards.
pub(super) fn has_room(connection: &Connection, most: u64) -> rusqlite::Result<bool> {
    Ok(used_bytes(connection)? < most || is_empty(connection)?)
}

/// How much of the file is in use; what was deleted is free for others.
fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pages = number(connection, "PRAGMA page_count")?;
    let free = number(connection, "PRAGMA freelist_count")?;
    let size = number(connection, "PRAGMA page_size")?;
    Ok(pages.saturating_sub(free) * size)
}

fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<u64> {
    let number: i64 = connection
        .prepare_cached(pragma)?
        .query_row([], |row| row.get(0))?;
    Ok(number.unsigned_abs())
}

/// What has to be stored for a change to be made.
#[derive(Debug)]
pub(super) enum Condition {
    /// Whatever there is, or nothing.
    Any,
    /// A live entry with these bytes, or no live entry.
    Holds(Option<Vec<u8>>),
}

/// What a change stores.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) value: Vec<u8>,
    pub(super) expires: Instant,
    pub(super) durable: bool,
}

impl Condition {
    /// Whether it holds where `live` is stored.
    pub(super) fn holds(&self, live: Option<&[u8]>) -> bool {
        match self {
            Self::Any => true,
            Self::Holds(expected) => expected.as_deref() == live,
        }
    }
}
