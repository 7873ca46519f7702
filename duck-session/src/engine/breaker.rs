//! Answers at once while a storage does not: rule 57.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
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
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Whether the last answer was a failure. Where it was not, there is nothing to lock.
    is_failing: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// In a row, up to [`MOST_FAILURES`].
    failures: u32,
    blocked: Option<Blocked>,
}

/// Requests are answered without asking the storage.
#[derive(Debug)]
struct Blocked {
    until: Instant,
    pause: Duration,
    /// Whether a request is trying again.
    is_tried: bool,
}

impl Breaker {
    /// Whether to ask the storage. Of those who come when the pause is over, one tries, and the
    /// others get their answer from what becomes of that.
    pub(super) fn lets_pass(&self) -> bool {
        if !self.is_failing.load(Ordering::Relaxed) {
            return true;
        }
        let Some(blocked) = &mut self.lock().blocked else {
            return true;
        };
        let now = Instant::now();
        if now < blocked.until {
            return false;
        }
        // If the request is given up, another one tries after the next pause.
        (blocked.is_tried, blocked.until) = (true, now + blocked.pause);
        true
    }

    pub(super) fn succeeded(&self) {
        if !self.is_failing.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.lock();
        let was_blocked = std::mem::take(&mut *state).blocked.is_some();
        self.is_failing.store(false, Ordering::Relaxed);
        if was_blocked {
            tracing::info!(target: "duck_session", "the session storage answers again");
        }
    }

    /// Counts a failure. Those of requests that were under way when the pause began do not make it longer.
    pub(super) fn failed(&self) {
        let mut state = self.lock();
        self.is_failing.store(true, Ordering::Relaxed);
        let now = Instant::now();
        if let Some(blocked) = &mut state.blocked {
            if std::mem::take(&mut blocked.is_tried) {
                blocked.pause = (blocked.pause * 2).min(LONGEST_PAUSE);
                blocked.until = now + blocked.pause;
            }
            return;
        }
        state.failures += 1;
        if state.failures == MOST_FAILURES {
            state.blocked = Some(Blocked {
                until: now + FIRST_PAUSE,
                pause: FIRST_PAUSE,
                is_tried: false,
            });
            tracing::error!(target: "duck_session", "the session storage keeps failing: it is left alone for a while");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let breaker = Breaker::default();
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
        let breaker = Breaker::default();
        for _ in 0..100 {
            breaker.failed();
            breaker.succeeded();
        }
        assert!(breaker.lets_pass());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_were_under_way_do_not_make_the_pause_longer() {
        let breaker = Breaker::default();
        for _ in 0..1000 {
            breaker.failed();
        }
        tokio::time::advance(FIRST_PAUSE).await;
        assert!(breaker.lets_pass());
    }

    #[tokio::test(start_paused = true)]
    async fn the_pause_has_an_end() {
        let breaker = Breaker::default();
        for _ in 0..MOST_FAILURES {
            breaker.failed();
        }
        for _ in 0..1000 {
            tokio::time::advance(LONGEST_PAUSE).await;
            assert!(breaker.lets_pass());
            breaker.failed();
        }
    }

    /// Whatever order they come in, a success lets everybody pass again.
    #[test]
    fn a_success_and_a_failure_at_the_same_time_block_nobody_for_good() {
        for _ in 0..2000 {
            let breaker = Breaker::default();
            for _ in 1..MOST_FAILURES {
                breaker.failed();
            }
            std::thread::scope(|scope| {
                scope.spawn(|| breaker.failed());
                scope.spawn(|| breaker.succeeded());
            });
            breaker.succeeded();
            assert!(breaker.lets_pass() && breaker.lets_pass());
        }
    }
}
