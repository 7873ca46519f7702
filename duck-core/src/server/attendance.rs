//! Looks after a connection, whatever its protocol: its deadlines, and the end of the server.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use hyper::server::conn::http1;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep};

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

/// Looks after a connection until it ends.
pub(super) struct Attendance<'a> {
    vitals: &'a Vitals,
    limits: &'a Limits,
    deadlines: Deadlines,
    ticks: Interval,
    stopping: watch::Receiver<()>,
}

impl<'a> Attendance<'a> {
    pub(super) fn new(
        vitals: &'a Vitals,
        limits: &'a Limits,
        stopping: watch::Receiver<()>,
    ) -> Self {
        let mut ticks = interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            vitals,
            limits,
            deadlines: Deadlines::default(),
            ticks,
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
                _ = self.ticks.tick() => match self.deadlines.tick(self.vitals, self.limits) {
                    Verdict::Leave => {}
                    Verdict::Retire => conversation.as_mut().retire(),
                    Verdict::Drop => return None,
                }
            }
        }
    }
}
