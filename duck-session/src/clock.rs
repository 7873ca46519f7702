use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What time it is, for sessions: the system's clock, or one that a test moves by hand.
///
/// ```
/// use std::time::Duration;
/// use duck_session::Clock;
///
/// let clock = Clock::manual();
/// let before = clock.now();
/// clock.advance(Duration::from_hours(1));
/// assert_eq!(clock.now() - before, 3_600_000);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<AtomicU64>>);

impl Clock {
    /// A clock that stands still at the present until it is moved. Clones move together.
    pub fn manual() -> Self {
        Self(Some(Arc::new(AtomicU64::new(system()))))
    }

    /// Milliseconds since 1970, UTC.
    pub fn now(&self) -> u64 {
        match &self.0 {
            None => system(),
            Some(time) => time.load(Ordering::SeqCst),
        }
    }

    /// The same as a time of the system's.
    pub(crate) fn time(&self) -> SystemTime {
        match &self.0 {
            None => SystemTime::now(),
            Some(_) => time(self.now()),
        }
    }

    /// Moves a manual clock forward; the system's clock stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Some(time) = &self.0 {
            time.fetch_add(millis(by), Ordering::SeqCst);
        }
    }

    /// Moves a manual clock back; the system's clock stays as it is.
    pub fn step_back(&self, by: Duration) {
        if let Some(time) = &self.0 {
            time.fetch_sub(millis(by), Ordering::SeqCst);
        }
    }
}

fn system() -> u64 {
    since_1970(SystemTime::now())
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn time(millis: u64) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_millis(millis))
        .unwrap_or(UNIX_EPOCH)
}

/// Milliseconds since 1970.
pub(crate) fn since_1970(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() * 1000 + u64::from(since.subsec_millis())
}
