//! How often lines of one kind come: a log that an attack can fill hides what else there is to see.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Place;

/// Lines of one kind that are written in one window; what comes on top is counted.
const MOST: u32 = 10;

/// How long that is.
pub(crate) const WINDOW: Duration = Duration::from_secs(1);

/// What makes two lines one kind: they differ in the request only. A client cannot make up kinds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    pub(crate) status: u16,
    pub(crate) view: Option<&'static str>,
    pub(crate) place: Option<Place>,
}

/// How often each kind was written in its window.
#[derive(Debug, Default)]
pub(crate) struct Floods(Mutex<HashMap<Kind, Window>>);

#[derive(Debug)]
struct Window {
    began: Instant,
    written: u32,
    held_back: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Write,
    /// Held back, as the first of its window.
    Begin,
    HoldBack,
}

impl Floods {
    pub(crate) fn weigh(&self, kind: &Kind) -> Verdict {
        let mut windows = self.windows();
        let now = Instant::now();
        let fresh = || Window {
            began: now,
            written: 0,
            held_back: 0,
        };
        let window = windows.entry(kind.clone()).or_insert_with(fresh);
        if window.held_back == 0 && now.duration_since(window.began) >= WINDOW {
            *window = fresh();
        }
        if window.written < MOST {
            window.written += 1;
            return Verdict::Write;
        }
        window.held_back += 1;
        match window.held_back {
            1 => Verdict::Begin,
            _ => Verdict::HoldBack,
        }
    }

    /// Ends a window, and says how many lines it held back.
    pub(crate) fn end(&self, kind: &Kind) -> u64 {
        let window = self.windows().remove(kind);
        window.map_or(0, |window| window.held_back)
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<Kind, Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16) -> Kind {
        Kind {
            status,
            view: Some("save"),
            place: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_one_kind_is_counted_and_other_kinds_are_written() {
        let floods = Floods::default();
        for _ in 0..MOST {
            assert_eq!(floods.weigh(&kind(503)), Verdict::Write);
        }
        assert_eq!(floods.weigh(&kind(503)), Verdict::Begin);
        for _ in 0..1000 {
            assert_eq!(floods.weigh(&kind(503)), Verdict::HoldBack);
        }
        assert_eq!(floods.weigh(&kind(500)), Verdict::Write);
        assert_eq!(floods.end(&kind(503)), 1001);
        assert_eq!(floods.weigh(&kind(503)), Verdict::Write);
    }

    #[tokio::test(start_paused = true)]
    async fn errors_that_come_slowly_are_all_written() {
        let floods = Floods::default();
        for _ in 0..100 {
            assert_eq!(floods.weigh(&kind(500)), Verdict::Write);
            tokio::time::advance(WINDOW / 5).await;
        }
    }
}
