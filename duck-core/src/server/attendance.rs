//! Looks after all connections, whatever their protocols: their deadlines, and the end of the server.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

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

/// What came of a conversation; `None` if it was ended by [`Attendance`].
pub(super) async fn attended<C: Conversation>(
    vitals: &Vitals,
    mut conversation: Pin<&mut C>,
) -> Option<C::Output> {
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(output) = conversation.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            match vitals.heed(cx) {
                Verdict::Leave => return Poll::Pending,
                Verdict::Retire => conversation.as_mut().retire(),
                Verdict::Drop => return Poll::Ready(None),
            }
        }
    })
    .await
}

/// All connections of a server. They have one timer together: one of its own would be looked at whenever
/// anything moves on a connection.
pub(super) struct Attendance {
    limits: Limits,
    connections: Mutex<Vec<Attended>>,
}

struct Attended {
    /// Gone when the connection is.
    vitals: Weak<Vitals>,
    deadlines: Deadlines,
}

impl Attendance {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            connections: Mutex::default(),
        }
    }

    /// Takes in one more connection.
    pub(super) fn enter(&self) -> Arc<Vitals> {
        let vitals = Arc::new(Vitals::default());
        self.connections().push(Attended {
            vitals: Arc::downgrade(&vitals),
            deadlines: Deadlines::new(Instant::now()),
        });
        vitals
    }

    /// Sees to the deadlines, without end.
    pub(super) async fn look_after(&self) {
        let look = self.limits.look();
        let mut looks = interval_at(Instant::now() + look, look);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = looks.tick().await;
            self.tell_each(|vitals, deadlines| deadlines.look(now, vitals, &self.limits));
        }
    }

    /// Has all connections come to their end, and sees to the deadlines until they have.
    pub(super) async fn retire(&self) {
        self.tell_each(|vitals, _| {
            if vitals.has_served() {
                Verdict::Retire
            } else {
                Verdict::Leave
            }
        });
        let last = async {
            sleep(FIRST_REQUEST).await;
            self.tell_each(|_, _| Verdict::Retire);
        };
        tokio::join!(last, self.look_after());
    }

    fn tell_each(&self, mut verdict: impl FnMut(&Vitals, &mut Deadlines) -> Verdict) {
        self.connections().retain_mut(|attended| {
            let Some(vitals) = attended.vitals.upgrade() else {
                return false;
            };
            vitals.tell(verdict(&vitals, &mut attended.deadlines));
            true
        });
    }

    fn connections(&self) -> MutexGuard<'_, Vec<Attended>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use super::*;

    #[test]
    fn a_connection_that_is_gone_is_forgotten() {
        let attendance = Attendance::new(Limits::default());
        let (stays, goes) = (attendance.enter(), attendance.enter());
        drop(goes);
        attendance.tell_each(|_, _| Verdict::Leave);
        assert_eq!(attendance.connections().len(), 1);
        drop(stays);
    }

    struct Endless {
        is_retired: bool,
    }

    impl Future for Endless {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _cx: &mut std::task::Context<'_>) -> Poll<()> {
            if self.is_retired {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }
    }

    impl Conversation for Endless {
        fn retire(mut self: Pin<&mut Self>) {
            self.is_retired = true;
        }
    }

    #[tokio::test]
    async fn a_connection_does_what_it_is_told_before_it_begins_or_later() {
        for (verdict, expected) in [(Verdict::Retire, Some(())), (Verdict::Drop, None)] {
            for is_early in [true, false] {
                let vitals = Arc::new(Vitals::default());
                if is_early {
                    vitals.tell(verdict);
                }
                let told = vitals.clone();
                let task = tokio::spawn(async move {
                    let conversation = std::pin::pin!(Endless { is_retired: false });
                    attended(&told, conversation).await
                });
                tokio::task::yield_now().await;
                if !is_early {
                    vitals.tell(verdict);
                }
                assert_eq!(task.await.unwrap(), expected, "{verdict:?}, {is_early}");
            }
        }
    }

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
        let attendance = Attendance::new(limits.clone());
        let vitals = attendance.enter();
        let still = Still {
            begins: Box::pin(sleep(after)),
            with: Some(|| begin(&vitals)),
            retired: false,
        };
        let start = Instant::now();
        let still = std::pin::pin!(still);
        let conversation = attended(&vitals, still);
        tokio::select! {
            _ = conversation => {}
            () = attendance.look_after() => {}
        }
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
