//! How a connection is doing: what moves it, and when it has kept still for too long.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::task::Context;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use crate::server::limits::Limits;
use crate::server::received::Unread;

/// Set by the connection's socket and requests, read at each look ([`Limits::look`]).
#[derive(Default)]
pub(super) struct Vitals {
    /// Requests that have no response yet, or whose response is being made while it is sent: those
    /// that wait for the site, not for the client.
    in_flight: AtomicU32,
    /// Bytes came while no request was in flight: a head is on its way.
    head_begun: AtomicBool,
    /// The socket takes no more bytes for now.
    write_blocked: AtomicBool,
    /// Bytes were written since the last look.
    wrote: AtomicBool,
    /// How many requests there were.
    served: AtomicU32,
    /// The number of the first head that could be read in two ways; 0 for none.
    suspect: AtomicU32,
    /// Bytes between requests are mostly no heads: it is HTTP/2, or has become a WebSocket.
    http2: AtomicBool,
    /// The client has closed its side of the connection.
    half_closed: AtomicBool,
    /// The body of a request was not read to its end. Never set over HTTP/2.
    unread: Unread,
    /// Over HTTP/2: bytes of bodies that wait for the client to take them.
    waiting: AtomicUsize,
    /// The client took some of them since the last look. What else it is sent says nothing: a ping is
    /// answered without end.
    took: AtomicBool,
    /// What it was told and has not heeded yet, as [`Verdict`]s are numbered.
    told: AtomicU8,
    waker: AtomicWaker,
}

impl Vitals {
    pub(super) fn read(&self) {
        if self.in_flight.load(Relaxed) == 0 && !self.http2.load(Relaxed) {
            self.head_begun.store(true, Relaxed);
        }
    }

    pub(super) fn wrote(&self) {
        self.wrote.store(true, Relaxed);
        self.write_blocked.store(false, Relaxed);
    }

    pub(super) fn blocked(&self) {
        self.write_blocked.store(true, Relaxed);
    }

    /// A head that could be read in two ways came in.
    pub(super) fn suspect(&self, head: u32) {
        let _ = self.suspect.compare_exchange(0, head, Relaxed, Relaxed);
    }

    /// A request came in; whether it is one that could be read in two ways.
    pub(super) fn request_arrives(&self, http2: bool) -> bool {
        self.head_begun.store(false, Relaxed);
        self.http2.store(http2, Relaxed);
        let number = self.served.fetch_add(1, Relaxed).wrapping_add(1);
        let suspect = self.suspect.load(Relaxed);
        suspect != 0 && number >= suspect
    }

    /// There are no more requests: the connection has become a WebSocket.
    #[cfg(feature = "websocket")]
    pub(super) fn switches(&self) {
        self.http2.store(true, Relaxed);
        self.head_begun.store(false, Relaxed);
    }

    /// The site begins to work for a request, or goes on.
    pub(super) fn work_begins(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    /// The site is done with a request, or waits for the client to take what there is.
    pub(super) fn work_ends(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// The site works on a request, and hyper does not read.
    pub(super) fn is_at_work(&self) -> bool {
        self.in_flight.load(Relaxed) > 0 && !self.http2.load(Relaxed)
    }

    /// The client will send no more. It waits for its answer, or it is gone: which of the two shows when
    /// something is written.
    pub(super) fn half_closed(&self) {
        self.half_closed.store(true, Relaxed);
    }

    pub(super) fn unread(&self) -> &Unread {
        &self.unread
    }

    /// Whether a request's body was not read to its end, so that no other request can follow.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    /// More bytes of a body wait for the client.
    #[cfg(feature = "http2")]
    pub(super) fn waits(&self, bytes: usize) {
        self.waiting.fetch_add(bytes, Relaxed);
    }

    /// The client took so many of those that wait.
    #[cfg(feature = "http2")]
    pub(super) fn took(&self, bytes: usize) {
        self.took.store(true, Relaxed);
        self.gives_up(bytes);
    }

    /// So many wait no longer.
    #[cfg(feature = "http2")]
    pub(super) fn gives_up(&self, bytes: usize) {
        self.waiting.fetch_sub(bytes, Relaxed);
    }

    #[cfg(feature = "http2")]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    pub(super) fn has_served(&self) -> bool {
        self.served.load(Relaxed) > 0
    }

    /// Has the connection do something. Of several things that it has not heeded yet, the hardest counts.
    pub(super) fn tell(&self, verdict: Verdict) {
        if verdict != Verdict::Leave {
            self.told.fetch_max(verdict as u8, Relaxed);
            self.waker.wake();
        }
    }

    /// What the connection is to do. It is woken when there is something.
    pub(super) fn heed(&self, cx: &Context<'_>) -> Verdict {
        self.waker.register(cx.waker());
        if self.told.load(Relaxed) == Verdict::Leave as u8 {
            return Verdict::Leave;
        }
        if self.told.swap(Verdict::Leave as u8, Relaxed) == Verdict::Drop as u8 {
            Verdict::Drop
        } else {
            Verdict::Retire
        }
    }
}

/// What to do with a connection: the larger, the harder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Leave,
    /// It may go when nothing is under way.
    Retire,
    Drop,
}

/// Since when a connection has been in each state, as far as the looks at it tell: a state begins with the
/// first look that sees it, so no deadline comes early. It comes two looks late at most: one may see the
/// end of what was there before.
pub(super) struct Deadlines {
    stalled: Option<Instant>,
    head: Option<Instant>,
    idle: Option<Instant>,
    quiet: Option<Instant>,
    served: u32,
}

impl Deadlines {
    /// Those of a connection that is accepted now. It owes its first head from here on.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            stalled: None,
            head: Some(now),
            idle: None,
            quiet: None,
            served: 0,
        }
    }

    pub(super) fn look(&mut self, now: Instant, vitals: &Vitals, limits: &Limits) -> Verdict {
        let wrote = vitals.wrote.swap(false, Relaxed);
        let took = vitals.took.swap(false, Relaxed);
        let is_blocked = vitals.write_blocked.load(Relaxed) || vitals.half_closed.load(Relaxed);
        let is_waiting = vitals.waiting.load(Relaxed) > 0;
        if (is_blocked && !wrote) || (is_waiting && !took) {
            return drop_after(limits.write(), lasts(&mut self.stalled, now));
        }
        self.stalled = None;
        let served = vitals.served.load(Relaxed);
        let busy = vitals.in_flight.load(Relaxed) > 0 || is_waiting;
        if busy || served != std::mem::replace(&mut self.served, served) {
            (self.head, self.idle, self.quiet) = (None, None, None);
        }
        if busy {
            return Verdict::Leave;
        }
        let is_new = !vitals.has_served();
        if is_new || vitals.head_begun.load(Relaxed) {
            (self.idle, self.quiet) = (None, None);
            if wrote && !is_new {
                // While a response is still being sent, a head may wait.
                self.head = None;
                return Verdict::Leave;
            }
            return drop_after(limits.head(), lasts(&mut self.head, now));
        }
        let progress = if vitals.http2.load(Relaxed) {
            took
        } else {
            wrote
        };
        self.head = None;
        if progress {
            self.quiet = Some(now);
        }
        self.idle_verdict(now, limits)
    }

    fn idle_verdict(&mut self, now: Instant, limits: &Limits) -> Verdict {
        let (idle, quiet) = (lasts(&mut self.idle, now), lasts(&mut self.quiet, now));
        if idle < limits.idle() {
            Verdict::Leave
        } else if quiet >= limits.idle().saturating_add(limits.write()) {
            // It was asked to go, and its client takes nothing of what is left to send.
            Verdict::Drop
        } else {
            Verdict::Retire
        }
    }
}

/// How long a state has lasted that is there now.
fn lasts(since: &mut Option<Instant>, now: Instant) -> Duration {
    now.duration_since(*since.get_or_insert(now))
}

fn drop_after(limit: Duration, lasted: Duration) -> Verdict {
    if lasted >= limit {
        Verdict::Drop
    } else {
        Verdict::Leave
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Drop, Leave, Retire};
    use super::*;

    fn limits() -> Limits {
        toml::from_str("HEAD_TIMEOUT = 2\nIDLE_TIMEOUT = 3\nWRITE_TIMEOUT = 2").unwrap()
    }

    /// Looks at a connection once a second.
    struct Watch {
        deadlines: Deadlines,
        now: Instant,
    }

    impl Watch {
        fn new() -> Self {
            let now = Instant::now();
            let deadlines = Deadlines::new(now);
            Self { deadlines, now }
        }

        fn look(&mut self, vitals: &Vitals) -> Verdict {
            self.now += Duration::from_secs(1);
            self.deadlines.look(self.now, vitals, &limits())
        }

        fn looks(&mut self, vitals: &Vitals, count: usize) -> Vec<Verdict> {
            (0..count).map(|_| self.look(vitals)).collect()
        }
    }

    #[test]
    fn a_head_that_never_ends_is_dropped() {
        let (vitals, mut watch) = (Vitals::default(), Watch::new());
        vitals.read();
        assert_eq!(watch.look(&vitals), Leave);
        vitals.read();
        assert_eq!(watch.look(&vitals), Drop);
    }

    #[test]
    fn a_head_may_take_its_time_while_a_response_is_sent() {
        let (vitals, mut watch) = (Vitals::default(), Watch::new());
        vitals.request_arrives(false);
        for _ in 0..100 {
            vitals.read();
            vitals.wrote();
            assert_eq!(watch.look(&vitals), Leave);
        }
        assert_eq!(watch.looks(&vitals, 3), [Leave, Leave, Drop]);
    }

    #[test]
    fn each_request_gives_the_next_one_its_whole_time() {
        let (vitals, mut watch) = (Vitals::default(), Watch::new());
        for _ in 0..10 {
            vitals.request_arrives(false);
            assert_eq!(watch.looks(&vitals, 3), [Leave, Leave, Leave]);
            vitals.request_arrives(false);
            vitals.read();
            assert_eq!(watch.looks(&vitals, 2), [Leave, Leave]);
        }
    }

    #[test]
    fn a_long_view_is_left_alone_and_an_idle_connection_retires() {
        let (vitals, mut watch) = (Vitals::default(), Watch::new());
        vitals.request_arrives(false);
        vitals.work_begins();
        assert!(
            watch
                .looks(&vitals, 100)
                .iter()
                .all(|verdict| *verdict == Leave)
        );
        vitals.work_ends();
        assert_eq!(watch.looks(&vitals, 4), [Leave, Leave, Leave, Retire]);
    }

    #[test]
    #[cfg(feature = "http2")]
    fn a_retired_connection_whose_client_takes_nothing_is_dropped() {
        let (vitals, mut watch) = (Vitals::default(), Watch::new());
        vitals.request_arrives(true);
        vitals.read();
        assert_eq!(
            watch.looks(&vitals, 6),
            [Leave, Leave, Leave, Retire, Retire, Drop]
        );
        vitals.wrote();
        assert_eq!(watch.look(&vitals), Drop, "as after pings");
        vitals.waits(2);
        vitals.took(1);
        assert_eq!(watch.look(&vitals), Leave, "an answer");
    }

    #[test]
    #[cfg(feature = "http2")]
    fn answers_that_wait_are_dropped_whatever_else_is_written() {
        let (vitals, mut watch) = (Vitals::default(), Watch::new());
        vitals.request_arrives(true);
        vitals.waits(10);
        let mut look = || {
            vitals.wrote();
            watch.look(&vitals)
        };
        assert_eq!([look(), look()], [Leave, Leave]);
        vitals.took(1);
        assert_eq!(
            [look(), look(), look(), look()],
            [Leave, Leave, Leave, Drop]
        );
    }

    #[test]
    fn before_the_first_request_nothing_but_its_head_counts() {
        let (vitals, mut watch) = (Vitals::default(), Watch::new());
        let mut look = || {
            vitals.read();
            vitals.wrote();
            watch.look(&vitals)
        };
        assert_eq!([look(), look()], [Leave, Drop]);
    }

    #[test]
    fn a_client_that_stops_reading_is_dropped() {
        let (vitals, mut watch) = (Vitals::default(), Watch::new());
        vitals.request_arrives(false);
        vitals.work_begins();
        vitals.blocked();
        assert_eq!(watch.look(&vitals), Leave);
        vitals.wrote();
        vitals.blocked();
        assert_eq!(watch.look(&vitals), Leave, "a byte got through");
        assert_eq!(watch.looks(&vitals, 3), [Leave, Leave, Drop]);
    }

    #[test]
    fn a_view_whose_client_may_be_gone_ends_unless_something_gets_through() {
        let (vitals, mut watch) = (Vitals::default(), Watch::new());
        vitals.request_arrives(false);
        vitals.work_begins();
        vitals.half_closed();
        for _ in 0..10 {
            vitals.wrote();
            assert_eq!(watch.looks(&vitals, 3), [Leave, Leave, Leave]);
        }
        assert_eq!(watch.look(&vitals), Drop);
    }

    #[test]
    fn requests_from_the_suspect_on_are_refused() {
        let vitals = Vitals::default();
        vitals.suspect(2);
        vitals.suspect(3);
        assert_eq!(
            [false; 3].map(|http2| vitals.request_arrives(http2)),
            [false, true, true]
        );
    }
}
