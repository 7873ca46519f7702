//! Waits for a task's turns, on a clock that may be set.

use std::time::Duration;

use tokio::time::sleep;

use super::schedule::Schedule;

/// How often the clock is looked at: it may be set while a task waits.
const LOOK: Duration = Duration::from_secs(30);

/// A turn that the clock has leapt over by more than this is not made up for.
const LATE: Duration = Duration::from_secs(60);

/// A clock that is set back by no more than this brings no turn twice. After more, the turns begin anew from there: it
/// was wrong before, by years maybe.
const SET_BACK: u64 = 5 * 60;

/// The turns of one task in this process.
pub(super) struct Turns<'a, Now> {
    schedule: &'a Schedule,
    /// Since 1970, UTC.
    now: Now,
    next: Option<u64>,
}

impl<'a, Now: Fn() -> Duration> Turns<'a, Now> {
    pub(super) fn new(schedule: &'a Schedule, now: Now) -> Self {
        let next = schedule.after(now());
        Self {
            schedule,
            now,
            next,
        }
    }

    /// Waits for the next turn. `None`: there are no more.
    pub(super) async fn next(&mut self) -> Option<u64> {
        loop {
            let now = (self.now)();
            let coming = self.schedule.after(now)?;
            let turn = match self.next {
                Some(next) if coming + SET_BACK >= next => next,
                _ => coming,
            };
            self.next = Some(turn);
            let time = Duration::from_secs(turn);
            if now < time {
                sleep(time.saturating_sub(now).min(LOOK)).await;
                continue;
            }
            self.next = Some(coming);
            if now.saturating_sub(time) <= LATE {
                return Some(turn);
            }
        }
    }

    /// Passes over the turns that have come meanwhile, and says whether there were any.
    pub(super) fn pass_over(&mut self) -> bool {
        let now = (self.now)();
        let is_over = self
            .next
            .is_some_and(|next| Duration::from_secs(next) <= now);
        if is_over {
            self.next = self.schedule.after(now);
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::Instant;

    use super::*;

    /// Half past three on some day.
    const START: u64 = 20_000 * 86_400 + 12_600;

    /// A clock that goes on with tokio's, and can be set.
    struct Clock {
        start: Instant,
        ahead: Cell<i64>,
    }

    impl Clock {
        fn new() -> Self {
            Self {
                start: Instant::now(),
                ahead: Cell::new(0),
            }
        }

        fn now(&self) -> Duration {
            let time = Duration::from_secs(START) + self.start.elapsed();
            match u64::try_from(self.ahead.get()) {
                Ok(ahead) => time + Duration::from_secs(ahead),
                Err(_) => time
                    .checked_sub(Duration::from_secs(self.ahead.get().unsigned_abs()))
                    .unwrap(),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_at_their_time_and_once() {
        let (clock, schedule) = (Clock::new(), Schedule::every("10 min").unwrap());
        let mut turns = Turns::new(&schedule, || clock.now());
        for number in 1..=3 {
            let turn = turns.next().await.unwrap();
            assert_eq!(turn, START + number * 600);
            let late = clock.now().checked_sub(Duration::from_secs(turn)).unwrap();
            assert!(late < Duration::from_millis(10), "{late:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn turns_under_a_leap_forward_are_passed_over_and_the_next_one_comes() {
        for leap in [3600, 86_400 * 365 * 30] {
            let (clock, schedule) = (Clock::new(), Schedule::every("10 min").unwrap());
            let mut turns = Turns::new(&schedule, || clock.now());
            assert_eq!(turns.next().await, Some(START + 600));
            clock.ahead.set(leap);
            let turn = turns.next().await.unwrap();
            assert_eq!(turn, START + 1200 + leap.unsigned_abs());
            assert!(clock.start.elapsed() < Duration::from_secs(1201));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_leap_by_seconds_brings_the_turn_late_and_not_never() {
        let (clock, schedule) = (Clock::new(), Schedule::every("10 min").unwrap());
        let mut turns = Turns::new(&schedule, || clock.now());
        clock.ahead.set(20);
        assert_eq!(turns.next().await, Some(START + 600));
        clock.ahead.set(50);
        assert_eq!(turns.next().await, Some(START + 1200));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_a_little_brings_no_turn_twice() {
        let (clock, schedule) = (Clock::new(), Schedule::every("1 min").unwrap());
        let mut turns = Turns::new(&schedule, || clock.now());
        assert_eq!(turns.next().await, Some(START + 60));
        clock.ahead.set(-240);
        assert_eq!(turns.next().await, Some(START + 120));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_years_ahead_does_not_stop_the_turns() {
        let (clock, schedule) = (Clock::new(), Schedule::every("10 min").unwrap());
        clock.ahead.set(86_400 * 3650);
        let mut turns = Turns::new(&schedule, || clock.now());
        turns.next().await.unwrap();
        clock.ahead.set(0);
        assert_eq!(turns.next().await, Some(START + 1200));
    }

    #[tokio::test(start_paused = true)]
    async fn turns_that_came_during_a_run_are_passed_over() {
        let (clock, schedule) = (Clock::new(), Schedule::every("10s").unwrap());
        let mut turns = Turns::new(&schedule, || clock.now());
        let first = turns.next().await.unwrap();
        assert!(!turns.pass_over());
        sleep(Duration::from_secs(25)).await;
        assert!(turns.pass_over());
        assert_eq!(turns.next().await, Some(first + 30));
    }
}
