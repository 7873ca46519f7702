//! What is done with a storage beside requests: expired sessions are removed, what is held back is
//! written.

use std::sync::Arc;
use std::time::Duration;

use duck::{BoxFuture, Result, Setup};
use tokio::time::{Instant, sleep};

use crate::cache::Cache;
use crate::clock::{Clock, millis};
use crate::engine::CacheEngine;
use crate::journal;
use crate::settings::SessionSettings;

/// An engine's storage, as far as it has to be kept in order.
pub(crate) trait Upkeep: Send + Sync {
    /// Removes some expired sessions and says how many.
    fn sweep(&self) -> BoxFuture<'_, Result<usize>>;
    /// Writes out what the storage holds back.
    fn save(&self) -> BoxFuture<'_, Result<()>>;
}

impl<C: Cache> Upkeep for CacheEngine<C> {
    fn sweep(&self) -> BoxFuture<'_, Result<usize>> {
        Box::pin(self.sweep())
    }

    fn save(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.save_cache())
    }
}

/// Removes expired sessions now and then, and writes out what a cache holds back when the site stops.
pub(crate) fn keep_in_order(
    setup: &mut Setup<'_>,
    upkeep: &Arc<dyn Upkeep>,
    own: &SessionSettings,
    clock: &Clock,
) {
    let (pause, batch) = (own.session_sweep_interval.0, own.session_sweep_batch);
    if !pause.is_zero() {
        let (upkeep, clock, skew) = (upkeep.clone(), clock.clone(), own.session_clock_skew.0);
        setup.background(move || {
            let (upkeep, clock) = (upkeep.clone(), clock.clone());
            async move {
                let mut brake = Brake::new(skew, clock.now());
                loop {
                    sleep(pause).await;
                    if brake.lets_sweep(clock.now()) {
                        sweep(&*upkeep, batch).await;
                    }
                }
            }
        });
    }
    let upkeep = upkeep.clone();
    setup.on_stop(move || {
        let upkeep = upkeep.clone();
        async move {
            if let Err(error) = upkeep.save().await {
                tracing::error!(target: "duck_session", cause = error.chain(), "the session cache could not be saved");
            }
        }
    });
}

/// Sweeps until there is little left. An error ends this pass, not the next.
async fn sweep(upkeep: &dyn Upkeep, batch: usize) {
    let mut removed = 0;
    loop {
        match upkeep.sweep().await {
            Ok(more) if more > 0 && more >= batch => removed += more,
            Ok(more) => {
                removed += more;
                break;
            }
            Err(error) => {
                tracing::warn!(target: "duck_session", cause = error.chain(), "expired sessions could not be removed");
                break;
            }
        }
    }
    journal::swept(removed);
}

/// Keeps a clock that is wrong from costing every session: rule 68.
///
/// A machine may start with its clock in another year, and be set right a minute later; or an
/// administrator mistypes the date. So nothing is swept while the clock is in doubt: for
/// `SESSION_CLOCK_SKEW` after the start, and after each leap forward that is longer than that. A
/// clock that stays where it leapt to is believed then.
struct Brake {
    skew: Duration,
    /// The clock as it was last seen, and when.
    wall: u64,
    seen: Instant,
    held_until: Instant,
}

impl Brake {
    fn new(skew: Duration, wall: u64) -> Self {
        let now = Instant::now();
        Self {
            skew,
            wall,
            seen: now,
            held_until: now + skew,
        }
    }

    fn lets_sweep(&mut self, wall: u64) -> bool {
        let now = Instant::now();
        let expected = self.wall.saturating_add(millis(now - self.seen));
        if wall > expected.saturating_add(millis(self.skew)) {
            let ahead = Duration::from_millis(wall - expected);
            tracing::warn!(target: "duck_session", ?ahead, "the clock leapt forward: expired sessions stay until it has proved right");
            self.held_until = now + self.skew;
        }
        (self.wall, self.seen) = (wall, now);
        now >= self.held_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKEW: Duration = Duration::from_mins(5);
    const MINUTE: Duration = Duration::from_mins(1);
    const DAY: u64 = 24 * 3_600_000;

    /// Time goes by, as the wall clock tells it and as it really does.
    struct Time(u64);

    impl Time {
        async fn passes(&mut self, time: Duration) -> u64 {
            tokio::time::advance(time).await;
            self.0 += millis(time);
            self.0
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_swept_while_a_clock_may_still_be_set() {
        let mut time = Time(1000 * DAY);
        let mut brake = Brake::new(SKEW, time.0);
        for _ in 0..4 {
            assert!(!brake.lets_sweep(time.passes(MINUTE).await));
        }
        assert!(brake.lets_sweep(time.passes(MINUTE).await));
        assert!(brake.lets_sweep(time.passes(MINUTE).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_leap_forward_is_believed_when_it_lasts() {
        for leap in [3_600_000, DAY, 36_500 * DAY] {
            let mut time = Time(1000 * DAY);
            let mut brake = Brake::new(SKEW, time.0);
            assert!(brake.lets_sweep(time.passes(SKEW).await));
            time.0 += leap;
            for _ in 0..5 {
                assert!(!brake.lets_sweep(time.passes(MINUTE).await));
            }
            assert!(brake.lets_sweep(time.passes(MINUTE).await));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_leap_and_back_sweeps_nothing_in_between() {
        let mut time = Time(1000 * DAY);
        let mut brake = Brake::new(SKEW, time.0);
        assert!(brake.lets_sweep(time.passes(SKEW).await));
        time.0 += DAY;
        assert!(!brake.lets_sweep(time.passes(MINUTE).await));
        time.0 -= DAY;
        assert!(
            !brake.lets_sweep(time.passes(MINUTE).await),
            "still in doubt"
        );
        assert!(brake.lets_sweep(time.passes(SKEW).await));
    }

    #[tokio::test(start_paused = true)]
    async fn steps_within_the_skew_and_back_are_no_leaps() {
        let mut time = Time(1000 * DAY);
        let mut brake = Brake::new(SKEW, time.0);
        assert!(brake.lets_sweep(time.passes(SKEW).await));
        time.0 += 1000;
        assert!(brake.lets_sweep(time.passes(MINUTE).await));
        time.0 = 0;
        assert!(brake.lets_sweep(time.passes(MINUTE).await), "to 1970");
    }
}
