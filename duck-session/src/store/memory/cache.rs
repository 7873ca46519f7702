use std::hash::BuildHasher;
use std::time::Duration;

use bytes::Bytes;
use duck::Result;

use super::InMemoryCache;
use super::held::{Entry, Held, NEVER};
use crate::clock::millis;
use crate::store::Cache;

/// For data of a site's own. It goes early when the cache is full, as anonymous sessions do.
impl Cache for InMemoryCache {
    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        let over_from = |ttl| self.uptime().saturating_add(millis(ttl));
        let held = Held::Entry(Box::new(Entry {
            key: key.into(),
            value: Bytes::copy_from_slice(value),
            over_from: ttl.map_or(NEVER, over_from),
        }));
        self.check_size(&held)?;
        let hash = self.hasher.hash_one(key);
        let mut shard = self.lock(hash);
        self.count(&held);
        let place = shard.entry(hash, key).map(|(place, _)| place);
        let old = if let Some(place) = place {
            Some(shard.replace(place, held))
        } else {
            shard.insert(hash, held);
            None
        };
        drop(shard);
        self.count_removed(old);
        self.make_room();
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.lock(hash);
        let Some((place, entry)) = shard.entry(hash, key) else {
            return Ok(None);
        };
        // The clock is read only for what expires at all.
        if entry.over_from != NEVER && entry.over_from <= self.uptime() {
            return Ok(None);
        }
        let value = entry.value.clone();
        shard.use_again(place);
        Ok(Some(value))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.lock(hash);
        let place = shard.entry(hash, key).map(|(place, _)| place);
        let removed = place.map(|place| shard.remove(place));
        drop(shard);
        self.count_removed(removed);
        Ok(())
    }

    async fn clear(&self) -> Result<()> {
        self.clear_what(|held| held.entry().is_some());
        Ok(())
    }
}
