//! Whether the client of a WebSocket is still there.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::socket_limits::SocketLimits;

/// When the client was last heard of, and when it was last asked for a sign.
pub(super) struct Heartbeat {
    heard: Instant,
    asked: Instant,
    ping: Option<Duration>,
    idle: Duration,
    /// Moved only when it is over: a message costs no timer.
    timer: Pin<Box<Sleep>>,
}

/// What is to be done when nothing was heard for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    Ask,
    GiveUp,
}

impl Heartbeat {
    pub(super) fn new(limits: &SocketLimits) -> Self {
        let now = Instant::now();
        let (ping, idle) = (limits.ping(), limits.idle());
        Self {
            heard: now,
            asked: now,
            ping,
            idle,
            timer: Box::pin(sleep_until(now + ping.unwrap_or(idle).min(idle))),
        }
    }

    /// Something came from the client.
    pub(super) fn hears(&mut self) {
        self.heard = Instant::now();
    }

    /// Waits until there is something to be done.
    pub(super) async fn next(&mut self) -> Beat {
        loop {
            self.timer.as_mut().await;
            let now = Instant::now();
            let over = self.heard + self.idle;
            let due = self.ping.map(|ping| self.heard.max(self.asked) + ping);
            if now >= over {
                return Beat::GiveUp;
            }
            if due.is_some_and(|due| now >= due) {
                self.asked = now;
                return Beat::Ask;
            }
            let next = due.map_or(over, |due| due.min(over));
            self.timer.as_mut().reset(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heartbeat(settings: &str) -> Heartbeat {
        let settings = crate::Settings::from_toml(settings).unwrap();
        Heartbeat::new(&SocketLimits::from_settings(&settings).unwrap())
    }

    async fn beat_after(heartbeat: &mut Heartbeat, since: Instant) -> (Beat, u64) {
        let beat = heartbeat.next().await;
        (beat, since.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_asked_and_then_given_up() {
        let start = Instant::now();
        let mut silent = heartbeat("");
        assert_eq!(beat_after(&mut silent, start).await, (Beat::Ask, 30));
        assert_eq!(beat_after(&mut silent, start).await, (Beat::Ask, 60));
        assert_eq!(beat_after(&mut silent, start).await, (Beat::GiveUp, 90));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_answers_is_never_given_up_and_one_that_talks_is_not_asked() {
        let start = Instant::now();
        let mut answers = heartbeat("");
        for times in 1..=5 {
            assert_eq!(
                beat_after(&mut answers, start).await,
                (Beat::Ask, 30 * times)
            );
            answers.hears();
        }
        tokio::time::advance(Duration::from_secs(20)).await;
        answers.hears();
        assert_eq!(beat_after(&mut answers, start).await, (Beat::Ask, 200));
    }

    #[tokio::test(start_paused = true)]
    async fn without_pings_there_is_only_the_idle_limit() {
        let start = Instant::now();
        let mut silent = heartbeat("WEBSOCKET_PING_INTERVAL = 0");
        assert_eq!(beat_after(&mut silent, start).await, (Beat::GiveUp, 90));
    }
}
