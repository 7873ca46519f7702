//! What is stored, one shard after the other, read past the writer.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::expiry::{Instant, NEVER};
use super::failure::Failure;
use super::folder::Folder;
use crate::cache::{Listed, Page};

const SELECT: &str = "SELECT key, value, expires FROM entries WHERE key > ?1 ORDER BY key LIMIT ?2";
/// An empty key is behind no other.
const SELECT_FIRST: &str =
    "SELECT key, value, expires FROM entries WHERE key >= ?1 ORDER BY key LIMIT ?2";

/// Where a page begins: in which shard, behind which key. A key stays in one shard for as long as
/// it is there, and a new shard has the highest number.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    shard: u32,
    key: Option<String>,
}

impl Cursor {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (shard, key) = text.split_once(':')?;
        Some(Self {
            shard: shard.parse().ok()?,
            key: Some(key.to_owned()),
        })
    }
}

impl Folder {
    /// Up to `limit` entries behind `after`. A shard that is corrupt counts as one thing that cannot
    /// be read, and hides no other.
    pub(super) fn page(
        &self,
        after: Option<Cursor>,
        limit: usize,
        now: Instant,
    ) -> Result<Page, Failure> {
        let limit = limit.max(1);
        let mut after = after.unwrap_or(Cursor {
            shard: 0,
            key: None,
        });
        let mut page = Page::default();
        for shard in self.refresh()?.newest_first().iter().rev() {
            if shard.number() < after.shard {
                continue;
            }
            if shard.number() > after.shard {
                after.key = None;
            }
            let wanted = limit - page.entries.len();
            let rows =
                shard.with_reader(|connection| rows(connection, after.key.as_deref(), wanted, now));
            match rows {
                Ok(rows) => page.entries.extend(rows.unwrap_or_default()),
                Err(failure) if failure.is_corruption() => {
                    shard.warn(&failure);
                    page.unreadable += 1;
                }
                Err(failure) => return Err(failure),
            }
            if page.entries.len() >= limit {
                let last = page.entries.last();
                page.next = last.map(|last| format!("{}:{}", shard.number(), last.key));
                return Ok(page);
            }
        }
        Ok(page)
    }
}

fn rows(
    connection: &Connection,
    after: Option<&str>,
    limit: usize,
    now: Instant,
) -> rusqlite::Result<Vec<Listed>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(if after.is_some() {
            SELECT
        } else {
            SELECT_FIRST
        })?
        .query_map(params![after.unwrap_or_default(), limit], |row| {
            let value = row.get_ref(1)?.as_blob()?.to_vec();
            Ok(Listed::new(
                row.get::<_, String>(0)?,
                value,
                left(row.get(2)?, now),
            ))
        })?
        .collect()
}

fn left(expires: Instant, now: Instant) -> Option<Duration> {
    let left = u64::try_from(expires.saturating_sub(now)).unwrap_or_default();
    (expires != NEVER).then_some(Duration::from_millis(left))
}
