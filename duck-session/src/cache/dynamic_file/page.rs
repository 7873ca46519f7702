//! What is stored, one shard after the other, read past the writer.

use std::time::Duration;

use rusqlite::Connection;

use super::expiry::{Instant, NEVER};
use super::failure::Failure;
use super::folder::Folder;
use crate::cache::{Listed, Page};

const SELECT: &str =
    "SELECT key, value, expires, number FROM entries WHERE number > ?1 ORDER BY number LIMIT ?2";

/// Where a page begins: in which shard, behind which entry. An entry keeps its shard and its number
/// for as long as it is there, and a new shard has the highest number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor {
    shard: u32,
    entry: i64,
}

/// What no entry's number is below.
const FIRST: i64 = i64::MIN;

impl Cursor {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (shard, entry) = text.split_once(':')?;
        Some(Self {
            shard: shard.parse().ok()?,
            entry: entry.parse().ok()?,
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
        let mut page = Page::default();
        for shard in self.refresh()?.newest_first().iter().rev() {
            let number = shard.number();
            let from = match after {
                Some(after) if number < after.shard => continue,
                Some(after) if number == after.shard => after.entry,
                _ => FIRST,
            };
            let wanted = limit - page.entries.len();
            let rows = shard.with_reader(|connection| rows(connection, from, wanted, now));
            let rows = match rows {
                Ok(rows) => rows.unwrap_or_default(),
                Err(failure) if failure.is_corruption() => {
                    shard.warn(&failure);
                    page.unreadable += 1;
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            let last = rows.last().map(|(entry, _)| *entry);
            page.entries
                .extend(rows.into_iter().map(|(_, listed)| listed));
            if page.entries.len() >= limit {
                page.next = last.map(|entry| format!("{number}:{entry}"));
                return Ok(page);
            }
        }
        Ok(page)
    }
}

/// Entries behind `from` and their numbers.
fn rows(
    connection: &Connection,
    from: i64,
    limit: usize,
    now: Instant,
) -> rusqlite::Result<Vec<(i64, Listed)>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(SELECT)?
        .query_map([from, limit], |row| {
            let (key, value) = (
                row.get::<_, String>(0)?,
                row.get_ref(1)?.as_blob()?.to_vec(),
            );
            let listed = Listed::new(key, value, left(row.get(2)?, now));
            Ok((row.get(3)?, listed))
        })?
        .collect()
}

fn left(expires: Instant, now: Instant) -> Option<Duration> {
    let left = u64::try_from(expires.saturating_sub(now)).unwrap_or_default();
    (expires != NEVER).then_some(Duration::from_millis(left))
}
