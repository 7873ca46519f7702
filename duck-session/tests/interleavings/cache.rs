//! Storages whose every operation is a step.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use duck::{Bytes, Result};
use duck_session::cache::{Cache, Entry};

use crate::scheduler::{Scheduler, Steps, actor};

/// What happened in a storage, and who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) actor: usize,
    pub(crate) what: What,
    pub(crate) key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Got,
    /// The answer of a `Got` was heard.
    Heard,
    Put,
    Removed,
}

#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) scheduler: Scheduler,
    entries: Arc<Mutex<HashMap<String, Bytes>>>,
    events: Arc<Mutex<Vec<Event>>>,
    lists: Arc<Mutex<HashSet<String>>>,
}

/// The list of a user's sessions, and not a session: `Kind` in `src/header.rs`.
fn is_list(record: &[u8]) -> bool {
    record.get(4) == Some(&2)
}

impl Store {
    pub(crate) fn new(steps: Steps) -> Self {
        Self {
            scheduler: Scheduler::new(steps),
            entries: Arc::default(),
            events: Arc::default(),
            lists: Arc::default(),
        }
    }

    /// What sessions are kept under.
    pub(crate) fn keys(&self) -> Vec<String> {
        let entries = self.entries.lock().unwrap();
        let sessions = entries.iter().filter(|(_, record)| !is_list(record));
        sessions.map(|(key, _)| key.clone()).collect()
    }

    /// Waits for the next step, where the key is that of a session. What is done to users' lists is
    /// no step: each login would have thousands of orders.
    async fn step(&self, key: &str) {
        if !self.lists.lock().unwrap().contains(key) {
            self.scheduler.step().await;
        }
    }

    async fn half_step(&self, key: &str) {
        if !self.lists.lock().unwrap().contains(key) {
            self.scheduler.half_step().await;
        }
    }

    /// What the actors did since the last time.
    pub(crate) fn events(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    pub(crate) fn forget_all(&self) {
        self.entries.lock().unwrap().clear();
        self.events();
    }

    pub(crate) fn note(&self, what: What, key: &str) {
        if let Some(actor) = actor() {
            let key = key.to_owned();
            let event = Event { actor, what, key };
            self.events.lock().unwrap().push(event);
        }
    }

    async fn get(&self, key: &str) -> Option<Bytes> {
        self.step(key).await;
        let found = self.entries.lock().unwrap().get(key).cloned();
        self.note(What::Got, key);
        self.half_step(key).await;
        self.note(What::Heard, key);
        found
    }

    async fn put(&self, key: &str, value: &[u8]) {
        self.step(key).await;
        self.replace(key, Some(value));
        self.half_step(key).await;
    }

    pub(crate) async fn remove(&self, key: &str) {
        self.step(key).await;
        self.replace(key, None);
        self.half_step(key).await;
    }

    async fn swap(&self, key: &str, expected: Option<&[u8]>, new: Option<&[u8]>) -> bool {
        self.step(key).await;
        let found = self.entries.lock().unwrap().get(key).cloned();
        let swaps = found.as_deref() == expected;
        if swaps {
            self.replace(key, new);
        }
        self.half_step(key).await;
        swaps
    }

    fn replace(&self, key: &str, new: Option<&[u8]>) {
        let mut entries = self.entries.lock().unwrap();
        if let Some(value) = new {
            if is_list(value) {
                self.lists.lock().unwrap().insert(key.to_owned());
            }
            entries.insert(key.to_owned(), Bytes::copy_from_slice(value));
            self.note(What::Put, key);
        } else {
            entries.remove(key);
            self.note(What::Removed, key);
        }
    }
}

/// A storage that compares and swaps in one step, as all do that processes share.
#[derive(Clone)]
pub(crate) struct OneStep(pub(crate) Store);

impl Cache for OneStep {
    const ATOMIC: bool = true;

    async fn set(&self, _: &str, _: &[u8], _: Option<Duration>) -> Result<()> {
        unreachable!("the engine swaps")
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        Ok(self.0.get(key).await)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.0.remove(key).await;
        Ok(())
    }

    async fn clear(&self) -> Result<()> {
        unreachable!("nobody clears")
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Entry<'_>>,
    ) -> Result<bool> {
        let new = new.map(|entry| entry.value);
        Ok(self.0.swap(key, expected, new).await)
    }
}

/// A storage of a site's own with the five methods: what compares and swaps is the trait's.
#[derive(Clone)]
pub(crate) struct FiveMethods(pub(crate) Store);

impl Cache for FiveMethods {
    async fn set(&self, key: &str, value: &[u8], _: Option<Duration>) -> Result<()> {
        self.0.put(key, value).await;
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        Ok(self.0.get(key).await)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.0.remove(key).await;
        Ok(())
    }

    async fn clear(&self) -> Result<()> {
        unreachable!("nobody clears")
    }
}
