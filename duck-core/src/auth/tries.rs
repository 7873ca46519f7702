//! How many tries there were lately, by whom: what a rate limiter remembers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::nanos::Nanos;
use governor::state::StateStore;

/// How many are remembered. Where there are more, the half that tried least is forgotten.
const MOST: usize = 1 << 16;

/// For each key, when its tries will be forgotten: all of one key are one number (GCRA).
#[derive(Clone, Default)]
pub(super) struct Tries(Arc<Mutex<HashMap<u64, Nanos>>>);

impl Tries {
    fn table(&self) -> MutexGuard<'_, HashMap<u64, Nanos>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes back one try, which counted for so long.
    pub(super) fn take_back(&self, key: u64, one: Nanos) {
        if let Some(until) = self.table().get_mut(&key) {
            *until = until.saturating_sub(one);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table().len()
    }
}

impl StateStore for Tries {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut table = self.table();
        let (outcome, until) = decide(table.get(key).copied())?;
        if table.len() >= MOST && !table.contains_key(key) {
            forget_half(&mut table);
        }
        table.insert(*key, until);
        Ok(outcome)
    }
}

/// Keeps those that have to wait longest: whoever brings a new address for each try pushes out others
/// that do, and nobody who is being slowed down.
fn forget_half(table: &mut HashMap<u64, Nanos>) {
    let mut all: Vec<Nanos> = table.values().copied().collect();
    let middle = all.len() / 2;
    let (_, &mut median, _) = all.select_nth_unstable(middle);
    let longer = all[middle..].iter().filter(|until| **until > median);
    let mut spared = (MOST / 2).saturating_sub(longer.count());
    table.retain(|_, until| {
        let is_spared = *until == median && spared > 0;
        spared -= usize::from(is_spared);
        *until > median || is_spared
    });
}
