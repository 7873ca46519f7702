//! What is done with a storage beside requests: expired sessions are removed, what is held back is
//! written.

use std::sync::Arc;
use std::time::Duration;

use duck::{BoxFuture, Result, Setup};
use tokio::time::{Instant, sleep};

use crate::clock::{Clock, millis};
use crate::engine::StoreEngine;
use crate::events;
use crate::settings::SessionSettings;
use crate::store::SessionStore;

/// An engine's storage, as far as it has to be kept in order.
pub(crate) trait Maintenance: Send + Sync {
    /// Removes some expired sessions and says how many.
    fn sweep(&self) -> BoxFuture<'_, Result<usize>>;
    /// Whether the store answers.
    fn probe(&self) -> BoxFuture<'_, Result<()>>;
    /// Writes what the store holds back.
    fn flush(&self) -> BoxFuture<'_, Result<()>>;
}

impl<S: SessionStore> Maintenance for StoreEngine<S> {
    fn sweep(&self) -> BoxFuture<'_, Result<usize>> {
        Box::pin(self.sweep())
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.probe())
    }

    fn flush(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.flush())
    }
}

/// Removes expired sessions now and then, says whether the store answers, and writes out what a cache holds back when the site stops.
pub(crate) fn keep_in_order(
    setup: &mut Setup<'_>,
    maintenance: &Arc<dyn Maintenance>,
    own: &SessionSettings,
    clock: &Clock,
) {
    let (pause, batch) = (own.session_sweep_interval.0, own.session_sweep_batch);
    if !pause.is_zero() {
        let (maintenance, clock) = (maintenance.clone(), clock.clone());
        setup.background(move || {
            let (maintenance, clock) = (maintenance.clone(), clock.clone());
            async move {
                let mut watch = ClockWatch::new(clock.now());
                loop {
                    sleep(pause).await;
                    if watch.trusts(clock.now()) {
                        sweep(&*maintenance, batch).await;
                    }
                }
            }
        });
    }
    let probed = maintenance.clone();
    setup.ready_check("sessions", move || {
        let maintenance = probed.clone();
        async move { maintenance.probe().await }
    });
    let maintenance = maintenance.clone();
    setup.on_stop(move || {
        let maintenance = maintenance.clone();
        async move {
            if let Err(error) = maintenance.flush().await {
                tracing::error!(target: "duck_session", cause = error.chain(), "what the session storage held back could not be written");
            }
        }
    });
}

/// Sweeps until there is little left. An error ends this pass, not the next.
async fn sweep(maintenance: &dyn Maintenance, batch: usize) {
    let mut removed = 0;
    loop {
        match maintenance.sweep().await {
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
    events::swept(removed);
}

/// Clocks that differ by less are set right all the time.
const LEAP: Duration = Duration::from_mins(5);

/// Keeps a clock that is wrong from costing every session.
///
/// A machine may start with its clock in another year, and be set right a minute later; or an
/// administrator mistypes the date. So nothing is removed while the clock is in doubt: for
/// five minutes after the start, and after each leap forward of more than that. A clock that stays where it
/// leapt to is believed then.
struct ClockWatch {
    /// The clock as it was last seen, and when.
    wall: u64,
    seen: Instant,
    doubted_until: Instant,
}

impl ClockWatch {
    fn new(wall: u64) -> Self {
        let now = Instant::now();
        Self {
            wall,
            seen: now,
            doubted_until: now + LEAP,
        }
    }

    fn trusts(&mut self, wall: u64) -> bool {
        let now = Instant::now();
        let expected = self.wall.saturating_add(millis(now - self.seen));
        if wall > expected.saturating_add(millis(LEAP)) {
            let ahead = Duration::from_millis(wall - expected);
            tracing::warn!(target: "duck_session", ?ahead, "the clock leapt forward: expired sessions stay until it has proved right");
            self.doubted_until = now + LEAP;
        }
        (self.wall, self.seen) = (wall, now);
        now >= self.doubted_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKEW: Duration = LEAP;
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
        let mut watch = ClockWatch::new(time.0);
        for _ in 0..4 {
            assert!(!watch.trusts(time.passes(MINUTE).await));
        }
        assert!(watch.trusts(time.passes(MINUTE).await));
        assert!(watch.trusts(time.passes(MINUTE).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_leap_forward_is_believed_when_it_lasts() {
        for leap in [3_600_000, DAY, 36_500 * DAY] {
            let mut time = Time(1000 * DAY);
            let mut watch = ClockWatch::new(time.0);
            assert!(watch.trusts(time.passes(SKEW).await));
            time.0 += leap;
            for _ in 0..5 {
                assert!(!watch.trusts(time.passes(MINUTE).await));
            }
            assert!(watch.trusts(time.passes(MINUTE).await));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_leap_and_back_sweeps_nothing_in_between() {
        let mut time = Time(1000 * DAY);
        let mut watch = ClockWatch::new(time.0);
        assert!(watch.trusts(time.passes(SKEW).await));
        time.0 += DAY;
        assert!(!watch.trusts(time.passes(MINUTE).await));
        time.0 -= DAY;
        assert!(!watch.trusts(time.passes(MINUTE).await), "still in doubt");
        assert!(watch.trusts(time.passes(SKEW).await));
    }

    #[tokio::test(start_paused = true)]
    async fn steps_within_the_skew_and_back_are_no_leaps() {
        let mut time = Time(1000 * DAY);
        let mut watch = ClockWatch::new(time.0);
        assert!(watch.trusts(time.passes(SKEW).await));
        time.0 += 1000;
        assert!(watch.trusts(time.passes(MINUTE).await));
        time.0 = 0;
        assert!(watch.trusts(time.passes(MINUTE).await), "to 1970");
    }
}
