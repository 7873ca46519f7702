//! Answers at once while a storage does not: rule 57.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use duck::Error;
use duck::session::SessionError;
use tokio::time::Instant;

/// After so many failures in a row nobody waits for the storage any more.
const MOST_FAILURES: u32 = 5;

/// How long that lasts before one request tries again, and how long at most when it goes on failing.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Counts the failures of a storage.
#[derive(Debug)]
pub(super) struct Breaker {
    since: Instant,
    failures: AtomicU32,
    /// When the next request may try, in milliseconds; 0 where all may.
    closed_until: AtomicU64,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            failures: AtomicU32::new(0),
            closed_until: AtomicU64::new(0),
        }
    }

    /// Whether to ask the storage. Of those who come when the pause is over, one tries, and the
    /// others get their answer from what becomes of that.
    pub(super) fn lets_pass(&self) -> bool {
        let until = self.closed_until.load(Ordering::Relaxed);
        if until == 0 {
            return true;
        }
        let now = self.now();
        let next = now + millis(self.pause());
        now >= until
            && self
                .closed_until
                .compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    pub(super) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) == 0 {
            return;
        }
        let failures = self.failures.swap(0, Ordering::Relaxed);
        self.closed_until.store(0, Ordering::Relaxed);
        if failures >= MOST_FAILURES {
            tracing::info!(target: "duck_session", "the session storage answers again");
        }
    }

    pub(super) fn failed(&self) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures >= MOST_FAILURES {
            let until = self.now() + millis(self.pause());
            self.closed_until.store(until, Ordering::Relaxed);
        }
        if failures == MOST_FAILURES {
            tracing::error!(target: "duck_session", "the session storage keeps failing: it is left alone for a while");
        }
    }

    /// Twice as long for each failure more.
    fn pause(&self) -> Duration {
        let more = self
            .failures
            .load(Ordering::Relaxed)
            .saturating_sub(MOST_FAILURES);
        (FIRST_PAUSE * 2_u32.pow(more.min(10))).min(LONGEST_PAUSE)
    }

    fn now(&self) -> u64 {
        millis(self.since.elapsed()) + 1
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A storage's error as that of a session.
pub(crate) fn store_error(error: Error) -> SessionError {
    match error.into_cause().downcast::<SessionError>() {
        Ok(error) => *error,
        Err(cause) => SessionError::Store(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_closes_lets_one_try_and_opens_again() {
        let breaker = Breaker::new();
        for _ in 0..MOST_FAILURES {
            assert!(breaker.lets_pass());
            breaker.failed();
        }
        assert!(!breaker.lets_pass());
        tokio::time::advance(FIRST_PAUSE).await;
        assert!(breaker.lets_pass(), "one tries");
        assert!(!breaker.lets_pass(), "the others do not wait for it");
        breaker.failed();
        tokio::time::advance(FIRST_PAUSE).await;
        assert!(!breaker.lets_pass(), "the second pause is longer");
        tokio::time::advance(FIRST_PAUSE).await;
        assert!(breaker.lets_pass());
        breaker.succeeded();
        assert!(breaker.lets_pass() && breaker.lets_pass());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_between_do_not_add_up() {
        let breaker = Breaker::new();
        for _ in 0..100 {
            breaker.failed();
            breaker.succeeded();
        }
        assert!(breaker.lets_pass());
    }

    #[tokio::test(start_paused = true)]
    async fn the_pause_has_an_end() {
        let breaker = Breaker::new();
        for _ in 0..1000 {
            breaker.failed();
        }
        tokio::time::advance(LONGEST_PAUSE).await;
        assert!(breaker.lets_pass());
    }
}
