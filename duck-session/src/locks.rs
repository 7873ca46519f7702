use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

/// How many writers can be at work on different sessions without meeting.
const STRIPES: usize = 256;

/// Lets one writer at a time near a key, within this process.
#[derive(Debug)]
pub(crate) struct KeyedLocks {
    stripes: Box<[Mutex<()>]>,
    hasher: RandomState,
}

impl KeyedLocks {
    pub(crate) fn new() -> Self {
        Self {
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
        }
    }

    pub(crate) async fn lock(&self, key: &str) -> MutexGuard<'_, ()> {
        let hash = self.hasher.hash_one(key);
        let stripe = usize::try_from(hash % STRIPES as u64).unwrap_or_default();
        self.stripes[stripe].lock().await
    }
}
