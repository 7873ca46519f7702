use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// Longer times are taken as this one, so that each can be added to any clock.
const FOREVER: Duration = Duration::from_hours(1000 * 365 * 24);

/// A time in the settings: a number of seconds, or words such as `"7 days"` and `"1h 30m"`. More than a
/// thousand years are taken as that.
///
/// ```
/// use std::time::Duration;
/// use duck::Settings;
/// use duck::settings::Seconds;
///
/// let settings = Settings::from_toml("MAIL_TIMEOUT = '2 min'\nMAIL_PAUSE = 30")?;
/// assert_eq!(settings.get("MAIL_TIMEOUT")?, Some(Seconds(Duration::from_secs(120))));
/// assert_eq!(settings.get("MAIL_PAUSE")?, Some(Seconds(Duration::from_secs(30))));
/// # Ok::<(), duck::settings::SettingsError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl Visitor<'_> for Written {
    type Value = Seconds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of seconds or a text such as \"7 days\"")
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Seconds, E> {
        Ok(Seconds(Duration::from_secs(seconds).min(FOREVER)))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Seconds, E> {
        match u64::try_from(seconds) {
            Ok(seconds) => self.visit_u64(seconds),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(seconds), &self)),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Seconds, E> {
        match humantime::parse_duration(text.trim()) {
            Ok(time) => Ok(Seconds(time.min(FOREVER))),
            Err(_) => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}
