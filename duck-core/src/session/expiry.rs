use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::data::{EXPIRY, SessionData};
use super::engine::SessionPolicy;

/// When a session ends, where it is not to be as the settings say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Expiry {
    /// As `SESSION_COOKIE_AGE` and `SESSION_EXPIRE_AT_BROWSER_CLOSE` say.
    #[default]
    Default,
    /// So long after each save.
    After(Duration),
    /// At this time, whatever is saved.
    At(SystemTime),
    /// When the browser closes; the record goes after `SESSION_COOKIE_AGE` without a save.
    BrowserClose,
}

impl From<Duration> for Expiry {
    fn from(age: Duration) -> Self {
        Self::After(age)
    }
}

impl From<SystemTime> for Expiry {
    fn from(time: SystemTime) -> Self {
        Self::At(time)
    }
}

/// How long a session lives from a save on, and whether its cookie outlives the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// From now until the end.
    pub age: Duration,
    /// Whether the cookie stays when the browser closes.
    pub persistent: bool,
}

impl Expiry {
    /// The lifetime of a session saved at `now`.
    pub fn lifetime(self, policy: &SessionPolicy, now: SystemTime) -> Lifetime {
        let whole = policy.cookie_age;
        match self {
            Self::Default => Lifetime {
                age: whole,
                persistent: !policy.expire_at_browser_close,
            },
            Self::After(age) => Lifetime {
                age,
                persistent: true,
            },
            Self::At(time) => Lifetime {
                age: time.duration_since(now).unwrap_or_default(),
                persistent: true,
            },
            Self::BrowserClose => Lifetime {
                age: whole,
                persistent: false,
            },
        }
    }

    pub(super) fn to_json(self) -> Option<Vec<u8>> {
        let stored = match self {
            Self::Default => return None,
            Self::After(age) => Stored::After(millis(age)),
            Self::At(time) => {
                Stored::At(millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
            }
            Self::BrowserClose => Stored::BrowserClose,
        };
        serde_json::to_vec(&stored).ok()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stored {
    After(u64),
    At(u64),
    BrowserClose,
}

impl SessionData {
    /// When this session ends, where it has an expiry of its own.
    pub fn expiry(&self) -> Expiry {
        match self
            .get(EXPIRY)
            .and_then(|json| serde_json::from_slice(json).ok())
        {
            None => Expiry::Default,
            Some(Stored::After(age)) => Expiry::After(Duration::from_millis(age)),
            Some(Stored::At(time)) => Expiry::At(
                UNIX_EPOCH
                    .checked_add(Duration::from_millis(time))
                    .unwrap_or(UNIX_EPOCH),
            ),
            Some(Stored::BrowserClose) => Expiry::BrowserClose,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_kept_in_the_data() {
        let at = UNIX_EPOCH + Duration::from_millis(1_800_000_000_123);
        for expiry in [
            Expiry::After(Duration::from_mins(1)),
            Expiry::At(at),
            Expiry::BrowserClose,
        ] {
            let mut data = SessionData::default();
            data.set(EXPIRY, &expiry.to_json().unwrap());
            assert_eq!(data.expiry(), expiry);
        }
        assert_eq!(SessionData::default().expiry(), Expiry::Default);
    }

    #[test]
    fn a_time_in_the_past_is_over_now() {
        let policy = SessionPolicy::default();
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        assert_eq!(
            Expiry::At(UNIX_EPOCH).lifetime(&policy, now).age,
            Duration::ZERO
        );
    }
}
