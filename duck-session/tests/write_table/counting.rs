//! A cache that counts what is asked of it, by what it means for a session.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use duck::{Bytes, Result};
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
    /// A user's list of sessions is read or written.
    pub(crate) lists: u8,
}

#[derive(Clone, Copy)]
enum Asked {
    Get,
    Create,
    Swap,
    Delete,
}

#[derive(Clone, Default)]
pub(crate) struct CountingCache {
    pub(crate) script: ScriptedCache,
    asked: Arc<Mutex<Vec<(String, Asked)>>>,
    /// The keys that were ever a list's.
    lists: Arc<Mutex<HashSet<String>>>,
}

impl CountingCache {
    /// What was asked for since the last time.
    pub(crate) fn take(&self) -> Counts {
        let mut counts = Counts::default();
        let lists = self.lists.lock().unwrap();
        for (key, asked) in self.asked.lock().unwrap().drain(..) {
            let count = match asked {
                _ if lists.contains(&key) => &mut counts.lists,
                Asked::Get => &mut counts.gets,
                Asked::Create => &mut counts.creates,
                Asked::Swap => &mut counts.swaps,
                Asked::Delete => &mut counts.deletes,
            };
            *count += 1;
        }
        counts
    }

    fn note(&self, key: &str, asked: Asked) {
        self.asked.lock().unwrap().push((key.to_owned(), asked));
    }
}

impl Cache for CountingCache {
    const ATOMIC: bool = true;

    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        self.script.set(key, value, ttl).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.note(key, Asked::Get);
        self.script.get(key).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.note(key, Asked::Delete);
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
        if new.is_some_and(|entry| entry.value.get(4) == Some(&2)) {
            self.lists.lock().unwrap().insert(key.to_owned());
        }
        let asked = match (expected, &new) {
            (_, None) => Asked::Delete,
            (None, Some(_)) => Asked::Create,
            (Some(_), Some(_)) => Asked::Swap,
        };
        self.note(key, asked);
        self.script.compare_and_swap(key, expected, new).await
    }
}
