//! Looks after a connection, whatever its protocol: its deadlines, and the end of the server.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use hyper::server::conn::http1;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep};

use super::vitals::{Deadlines, Verdict, Vitals};
use crate::server::limits::Limits;

/// A connection that was accepted just before the server stops has this long for its first request.
const FIRST_REQUEST: Duration = Duration::from_millis(500);

/// What a connection does: a future that can be asked to come to its end.
pub(super) trait Conversation: Future {
    /// Takes no new requests, and ends when those under way are answered.
    fn retire(self: Pin<&mut Self>);
}

impl<I, B, S> Conversation for http1::Connection<I, S>
where
    http1::Connection<I, S>: Future,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<crate::http::body::BoxError>,
    B: http_body::Body + 'static,
    B::Error: Into<crate::http::body::BoxError>,
{
    fn retire(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Looks after a connection until it ends.
pub(super) struct Attendance<'a> {
    vitals: &'a Vitals,
    limits: &'a Limits,
    deadlines: Deadlines,
    /// One timer a connection, not one a request, keeps deadlines out of the cost of a request.
    looks: Interval,
    stopping: watch::Receiver<()>,
}

impl<'a> Attendance<'a> {
    pub(super) fn new(
        vitals: &'a Vitals,
        limits: &'a Limits,
        stopping: watch::Receiver<()>,
    ) -> Self {
        let (now, look) = (Instant::now(), limits.look());
        let mut looks = interval_at(now + look, look);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            vitals,
            limits,
            deadlines: Deadlines::new(now),
            looks,
            stopping,
        }
    }

    /// What came of a conversation; `None` if it was ended.
    pub(super) async fn attend<C: Conversation>(
        &mut self,
        mut conversation: Pin<&mut C>,
    ) -> Option<C::Output> {
        let mut running = true;
        loop {
            tokio::select! {
                biased;
                output = conversation.as_mut() => return Some(output),
                _ = self.stopping.changed(), if running => {
                    running = false;
                    if !self.vitals.has_served() {
                        tokio::select! {
                            output = conversation.as_mut() => return Some(output),
                            () = sleep(FIRST_REQUEST) => {}
                        }
                    }
                    conversation.as_mut().retire();
                }
                _ = self.looks.tick() => match self.deadlines.look(Instant::now(), self.vitals, self.limits) {
                    Verdict::Leave => {}
                    Verdict::Retire => conversation.as_mut().retire(),
                    Verdict::Drop => return None,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll};

    use super::*;

    /// Begins with something at a time between two looks, and keeps still from then on.
    struct Still<F> {
        begins: Pin<Box<tokio::time::Sleep>>,
        with: Option<F>,
        retired: bool,
    }

    impl<F: FnOnce() + Unpin> Future for Still<F> {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            if self.with.is_some() && self.begins.as_mut().poll(cx).is_ready() {
                self.with.take().expect("it is there")();
            }
            if self.retired {
                return Poll::Ready(());
            }
            Poll::Pending
        }
    }

    impl<F: FnOnce() + Unpin> Conversation for Still<F> {
        fn retire(mut self: Pin<&mut Self>) {
            self.retired = true;
        }
    }

    /// How long a connection lives after it began to keep still in some way.
    async fn lives(
        limits: &Limits,
        after: Duration,
        begin: impl FnOnce(&Vitals) + Unpin,
    ) -> Duration {
        let vitals = Vitals::default();
        let (_stop, stopping) = watch::channel(());
        let still = Still {
            begins: Box::pin(sleep(after)),
            with: Some(|| begin(&vitals)),
            retired: false,
        };
        let start = Instant::now();
        let mut attendance = Attendance::new(&vitals, limits, stopping);
        attendance.attend(std::pin::pin!(still)).await;
        start.elapsed().saturating_sub(after)
    }

    fn limits(key: &str, seconds: u64) -> Limits {
        let long = "HEAD_TIMEOUT = 3600\nIDLE_TIMEOUT = 3600\nWRITE_TIMEOUT = 3600";
        toml::from_str(&long.replace(&format!("{key} = 3600"), &format!("{key} = {seconds}")))
            .unwrap()
    }

    /// tokio's timers have steps of a millisecond, and there is one for each look.
    const STEPS: Duration = Duration::from_millis(20);

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_lives_for_the_head_timeout() {
        for seconds in [1, 2, 3, 15] {
            let lived = lives(&limits("HEAD_TIMEOUT", seconds), Duration::ZERO, |_| {}).await;
            let limit = Duration::from_secs(seconds);
            assert!(
                (limit..limit + STEPS).contains(&lived),
                "{lived:?}, not {limit:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_deadline_is_kept_to_an_eighth_and_never_comes_early() {
        let begin = |key: &str, vitals: &Vitals| {
            vitals.request_arrives(false);
            vitals.wrote();
            match key {
                "HEAD_TIMEOUT" => vitals.read(),
                "WRITE_TIMEOUT" => vitals.blocked(),
                _ => {}
            }
        };
        for key in ["HEAD_TIMEOUT", "IDLE_TIMEOUT", "WRITE_TIMEOUT"] {
            for seconds in [1, 2, 5, 15, 60] {
                let (limit, limits) = (Duration::from_secs(seconds), limits(key, seconds));
                for part in [1, 50, 99] {
                    let after = limits.look() * part / 100;
                    let lived = lives(&limits, after, |vitals| begin(key, vitals)).await;
                    let most = limit + limit / 8 + 2 * STEPS;
                    assert!(
                        (limit..most).contains(&lived),
                        "{key} = {seconds}: {lived:?}"
                    );
                }
            }
        }
    }
}
