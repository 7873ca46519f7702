use std::time::Duration;

use crate::clock::Clock;

/// Milliseconds since 1970, UTC. What never expires has [`NEVER`].
pub(super) type Instant = i64;

/// The expiry of an entry without a time to live.
pub(super) const NEVER: Instant = Instant::MAX;

/// The time. A clock set before 1970 reads as 1970.
pub(super) fn now(clock: &Clock) -> Instant {
    Instant::try_from(clock.now()).unwrap_or(NEVER)
}

/// When something that lives for `ttl` from `now` on expires.
pub(super) fn after(ttl: Option<Duration>, now: Instant) -> Instant {
    ttl.map_or(NEVER, |ttl| now.saturating_add(millis(ttl)))
}

fn millis(duration: Duration) -> Instant {
    Instant::try_from(duration.as_millis()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_ttl_and_the_longest_ttl_never_expire() {
        assert_eq!(after(None, 7), NEVER);
        assert_eq!(after(Some(Duration::MAX), 7), NEVER);
    }

    #[test]
    fn a_ttl_of_nothing_is_over_at_once() {
        assert_eq!(after(Some(Duration::ZERO), 7), 7);
    }
}
