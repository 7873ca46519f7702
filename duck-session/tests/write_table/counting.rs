//! A cache that counts what is asked of it, by what it means for a session.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use duck_core::{Bytes, Result};
use duck_session::cache::{Cache, Entry};

use crate::support::ScriptedCache;

/// How often a storage was asked for each thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) gets: u8,
    /// A record where there was none.
    pub(crate) creates: u8,
    /// A record in place of another one.
    pub(crate) swaps: u8,
    /// A record goes.
    pub(crate) deletes: u8,
}

#[derive(Clone, Default)]
pub(crate) struct CountingCache {
    pub(crate) script: ScriptedCache,
    counts: Arc<Mutex<Counts>>,
}

impl CountingCache {
    /// What was asked for since the last time.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut *self.counts.lock().unwrap())
    }

    fn count(&self, which: impl FnOnce(&mut Counts) -> &mut u8) {
        *which(&mut self.counts.lock().unwrap()) += 1;
    }
}

impl Cache for CountingCache {
    const ATOMIC: bool = true;

    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        self.script.set(key, value, ttl).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.count(|counts| &mut counts.gets);
        self.script.get(key).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.count(|counts| &mut counts.deletes);
        self.script.delete(key).await
    }

    async fn clear(&self) -> Result<()> {
        self.script.clear().await
    }

    async fn save(&self) -> Result<()> {
        self.script.save().await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Entry<'_>>,
    ) -> Result<bool> {
        self.count(|counts| match (expected, &new) {
            (_, None) => &mut counts.deletes,
            (None, Some(_)) => &mut counts.creates,
            (Some(_), Some(_)) => &mut counts.swaps,
        });
        self.script.compare_and_swap(key, expected, new).await
    }
}
