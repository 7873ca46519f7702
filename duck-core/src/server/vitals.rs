//! How a connection is doing: what moves it, and when it has kept still for too long.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use crate::limits::Limits;

/// How often each connection is looked at. One timer a connection, not one a request, keeps deadlines
/// out of the cost of a request.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// Set by the connection's socket and requests, read once a [`TICK`].
#[derive(Default)]
pub(super) struct Vitals {
    /// Requests that have no response yet, or whose response is being made while it is sent.
    in_flight: AtomicU32,
    /// Bytes came while no request was in flight: a head is on its way.
    head_begun: AtomicBool,
    /// The socket takes no more bytes for now.
    write_blocked: AtomicBool,
    /// Bytes were written since the last tick.
    wrote: AtomicBool,
    /// There was a request.
    served: AtomicBool,
}

impl Vitals {
    pub(super) fn read(&self) {
        if self.in_flight.load(Relaxed) == 0 {
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

    pub(super) fn request_begins(&self) {
        self.served.store(true, Relaxed);
        self.head_begun.store(false, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub(super) fn request_ends(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    pub(super) fn has_served(&self) -> bool {
        self.served.load(Relaxed)
    }
}

/// What to do with a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Leave,
    /// It may go when nothing is under way.
    Retire,
    Drop,
}

/// Counts the ticks for which a connection has been in one state.
#[derive(Default)]
pub(super) struct Deadlines {
    stalled: u32,
    head: u32,
    idle: u32,
}

impl Deadlines {
    pub(super) fn tick(&mut self, vitals: &Vitals, limits: &Limits) -> Verdict {
        let wrote = vitals.wrote.swap(false, Relaxed);
        if vitals.write_blocked.load(Relaxed) && !wrote {
            self.stalled += 1;
            return if over(self.stalled, limits.write()) {
                Verdict::Drop
            } else {
                Verdict::Leave
            };
        }
        self.stalled = 0;
        if vitals.in_flight.load(Relaxed) > 0 {
            (self.head, self.idle) = (0, 0);
            return Verdict::Leave;
        }
        if vitals.head_begun.load(Relaxed) || !vitals.has_served() {
            (self.head, self.idle) = (self.head + 1, 0);
            return if over(self.head, limits.head()) {
                Verdict::Drop
            } else {
                Verdict::Leave
            };
        }
        (self.head, self.idle) = (0, self.idle + 1);
        if over(self.idle, limits.idle()) {
            Verdict::Retire
        } else {
            Verdict::Leave
        }
    }
}

fn over(ticks: u32, limit: Duration) -> bool {
    TICK * ticks >= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        toml::from_str("HEAD_TIMEOUT = 2\nIDLE_TIMEOUT = 3\nWRITE_TIMEOUT = 2").unwrap()
    }

    #[test]
    fn a_head_that_never_ends_is_dropped() {
        let (vitals, mut deadlines) = (Vitals::default(), Deadlines::default());
        vitals.read();
        assert_eq!(deadlines.tick(&vitals, &limits()), Verdict::Leave);
        vitals.read();
        assert_eq!(deadlines.tick(&vitals, &limits()), Verdict::Drop);
    }

    #[test]
    fn a_long_view_is_left_alone_and_an_idle_connection_retires() {
        let (vitals, mut deadlines) = (Vitals::default(), Deadlines::default());
        vitals.request_begins();
        for _ in 0..100 {
            assert_eq!(deadlines.tick(&vitals, &limits()), Verdict::Leave);
        }
        vitals.request_ends();
        assert_eq!(deadlines.tick(&vitals, &limits()), Verdict::Leave);
        assert_eq!(deadlines.tick(&vitals, &limits()), Verdict::Leave);
        assert_eq!(deadlines.tick(&vitals, &limits()), Verdict::Retire);
    }

    #[test]
    fn a_client_that_stops_reading_is_dropped() {
        let (vitals, mut deadlines) = (Vitals::default(), Deadlines::default());
        vitals.request_begins();
        vitals.blocked();
        assert_eq!(deadlines.tick(&vitals, &limits()), Verdict::Leave);
        vitals.wrote();
        vitals.blocked();
        assert_eq!(
            deadlines.tick(&vitals, &limits()),
            Verdict::Leave,
            "a byte got through"
        );
        assert_eq!(deadlines.tick(&vitals, &limits()), Verdict::Leave);
        assert_eq!(deadlines.tick(&vitals, &limits()), Verdict::Drop);
    }
}
