//! Looks after all connections, whatever their protocols: their deadlines, and the end of the server.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::vitals::{Deadlines, TICK, Verdict, Vitals};
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
            deadlines: Deadlines::default(),
        });
        vitals
    }

    /// Sees to the deadlines, without end.
    pub(super) async fn look_after(&self) {
        let mut ticks = interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.tell_each(|vitals, deadlines| deadlines.tick(vitals, &self.limits));
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
}
