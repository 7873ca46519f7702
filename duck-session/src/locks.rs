use std::hash::{BuildHasher, Hash, RandomState};

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

    pub(crate) async fn lock(&self, key: &(impl Hash + ?Sized)) -> MutexGuard<'_, ()> {
        self.stripe(key).lock().await
    }

    /// The same, where nobody is near it at this moment.
    pub(crate) fn try_lock(&self, key: &(impl Hash + ?Sized)) -> Option<MutexGuard<'_, ()>> {
        self.stripe(key).try_lock().ok()
    }

    fn stripe(&self, key: &(impl Hash + ?Sized)) -> &Mutex<()> {
        let hash = self.hasher.hash_one(key);
        &self.stripes[usize::try_from(hash % STRIPES as u64).unwrap_or_default()]
    }

    /// Lets nobody else near any key.
    pub(crate) async fn lock_all(&self) -> Vec<MutexGuard<'_, ()>> {
        let mut locks = Vec::with_capacity(STRIPES);
        for stripe in &self.stripes {
            locks.push(stripe.lock().await);
        }
        locks
    }
}
