use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, UTC. What never expires has [`NEVER`].
pub(super) type Instant = i64;

/// The expiry of an entry without a time to live.
pub(super) const NEVER: Instant = Instant::MAX;

/// The system's time. A clock set before 1970 reads as 1970.
pub(super) fn now() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    millis(since.unwrap_or_default())
}

/// When something that lives for `ttl` from now on expires.
pub(super) fn after(ttl: Option<Duration>) -> Instant {
    ttl.map_or(NEVER, |ttl| now().saturating_add(millis(ttl)))
}

fn millis(duration: Duration) -> Instant {
    Instant::try_from(duration.as_millis()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_ttl_and_the_longest_ttl_never_expire() {
        assert_eq!(after(None), NEVER);
        assert_eq!(after(Some(Duration::MAX)), NEVER);
    }

    #[test]
    fn a_ttl_of_nothing_is_over_at_once() {
        assert!(after(Some(Duration::ZERO)) <= now());
    }
}
