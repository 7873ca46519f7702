//! Counts by key, in bounded memory: who has come too often has to wait.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

/// How many keys are remembered. Where there are more, the half that came least is forgotten.
pub(crate) const MOST: usize = 1 << 16;

/// Lets so many through at once, and one more whenever `one_more` has passed (GCRA), for each key.
///
/// Keys are hashes that nobody can foresee, so that what they stand for is not kept.
pub(crate) struct Limiter {
    limiter: RateLimiter<u64, Counts, SiteClock>,
    #[cfg(any(feature = "auth", test))]
    counts: Counts,
    #[cfg(feature = "auth")]
    one: Nanos,
}

impl Limiter {
    /// `one_more` is longer than nothing.
    pub(crate) fn new(at_once: NonZeroU32, one_more: Duration) -> Self {
        let counts = Counts::default();
        let quota = Quota::with_period(one_more)
            .expect("a limit gives one more after a while")
            .allow_burst(at_once);
        Self {
            limiter: RateLimiter::new(quota, counts.clone(), SiteClock(Instant::now())),
            #[cfg(any(feature = "auth", test))]
            counts,
            #[cfg(feature = "auth")]
            one: one_more.into(),
        }
    }

    /// Counts one, unless it is one too many: then it says after how many whole seconds one is let through.
    pub(crate) fn count(&self, key: u64) -> Result<(), u64> {
        self.limiter.check_key(&key).map_err(|until| {
            let wait = until.wait_time_from(self.limiter.clock().now());
            wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
        })
    }

    /// Takes back one that was counted.
    #[cfg(feature = "auth")]
    pub(crate) fn take_back(&self, key: u64) {
        if let Some(until) = self.counts.table().get_mut(&key) {
            *until = until.saturating_sub(self.one);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.counts.table().len()
    }
}

/// Time since the limiter was made, by the clock of tokio.
#[derive(Debug, Clone, Copy)]
struct SiteClock(Instant);

impl Clock for SiteClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

/// For each key, when it will be forgotten: all that a key has used up is one number (GCRA).
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<HashMap<u64, Nanos>>>);

impl Counts {
    fn table(&self) -> MutexGuard<'_, HashMap<u64, Nanos>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for Counts {
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
    let longer = table.values().filter(|until| **until > median).count();
    // Any number of keys may wait as long as the one in the middle.
    let mut as_long = (MOST / 2).saturating_sub(longer);
    table.retain(|_, until| {
        let stays = *until > median || (*until == median && as_long > 0);
        as_long -= usize::from(stays && *until == median);
        stays
    });
}
