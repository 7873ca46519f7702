use std::time::Duration;

use duck::Result;

use super::shard::{Found, NEVER};
use super::{InMemoryCache, lock};
use crate::cache::{Listed, Page, wrong_cursor};

impl InMemoryCache {
    /// A page that begins at `after`: a part, and a slot in it, as `3:70`.
    pub(super) fn list(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        let (first, mut from) = match after {
            None => (0, 0),
            Some(cursor) => parse(cursor).ok_or_else(wrong_cursor)?,
        };
        let now = self.now();
        let mut entries = Vec::new();
        for (part, shard) in self.shards.iter().enumerate().skip(first) {
            let shard = lock(shard);
            let (found, rest) = shard.page(from, limit.max(1) - entries.len());
            entries.extend(found.into_iter().map(|found| listed(&found, now)));
            if let Some(slot) = rest {
                return Ok(Page::new(entries, Some(format!("{part}:{slot}"))));
            }
            from = 0;
        }
        Ok(Page::new(entries, None))
    }
}

fn parse(cursor: &str) -> Option<(usize, usize)> {
    let (part, slot) = cursor.split_once(':')?;
    Some((part.parse().ok()?, slot.parse().ok()?))
}

fn listed(found: &Found<'_>, now: u64) -> Listed {
    let left = || Duration::from_millis(found.expires.saturating_sub(now));
    Listed::new(
        String::from_utf8_lossy(found.key),
        found.value.clone(),
        (found.expires != NEVER).then(left),
    )
}
