//! When a task has its turns.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// When a task has its turns: times in whole seconds since 1970, UTC.
pub(super) enum Schedule {
    /// At the multiples of so many seconds.
    Every(u64),
    Cron {
        text: String,
        cron: Box<Cron>,
    },
    /// At the start, in each process.
    Once,
}

impl Schedule {
    /// The error says what would be right.
    pub(super) fn every(text: &str) -> Result<Self, String> {
        let interval = humantime::parse_duration(text.trim()).ok();
        let is_whole = |time: &Duration| time.subsec_nanos() == 0 && !time.is_zero();
        match interval.filter(is_whole) {
            Some(interval) => Ok(Self::Every(interval.as_secs())),
            None => Err(format!(
                "{text:?} is no interval: it takes a time in whole seconds, such as \"30s\", \"10 min\" or \"1h 30m\""
            )),
        }
    }

    /// The error says what would be right.
    pub(super) fn cron(text: &str) -> Result<Self, String> {
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(text).map_err(|error| {
            format!(
                "{text:?} is no time of cron ({error}): it takes minute, hour, day of the month, month and day of the week, \
                 such as \"0 3 * * *\" for every day at 3:00 UTC"
            )
        })?;
        let schedule = Self::Cron {
            text: text.trim().to_owned(),
            cron: Box::new(cron),
        };
        match schedule.after(Duration::ZERO) {
            Some(_) => Ok(schedule),
            None => Err(format!(
                "{text:?} never comes: no month has such a day; \"0 0 L * *\" is the last day of each month"
            )),
        }
    }

    /// The first turn after a time. `None`: there is none.
    pub(super) fn after(&self, time: Duration) -> Option<u64> {
        let now = time.as_secs();
        match self {
            Self::Every(interval) => (now / interval).checked_add(1)?.checked_mul(*interval),
            Self::Cron { cron, .. } => {
                let now: DateTime<Utc> = DateTime::from_timestamp(i64::try_from(now).ok()?, 0)?;
                let next = cron.find_next_occurrence(&now, false).ok()?;
                u64::try_from(next.timestamp()).ok()
            }
            Self::Once => None,
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(seconds) => {
                let interval = humantime::format_duration(Duration::from_secs(*seconds));
                write!(f, "every {interval}")
            }
            Self::Cron { text, .. } => f.write_str(text),
            Self::Once => f.write_str("once, at the start"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(schedule: &Schedule, after: &str, many: usize) -> Vec<String> {
        let start = humantime::parse_rfc3339(after).unwrap();
        let mut time = start.duration_since(std::time::UNIX_EPOCH).unwrap();
        let mut turns = Vec::new();
        for _ in 0..many {
            time = Duration::from_secs(schedule.after(time).unwrap());
            let shown = humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + time);
            turns.push(shown.to_string());
        }
        turns
    }

    #[test]
    fn every_ten_minutes_lies_on_the_clock_and_not_on_the_start() {
        let schedule = Schedule::every("10 min").unwrap();
        assert_eq!(
            turns(&schedule, "2026-11-28T07:09:59Z", 3),
            [
                "2026-11-28T07:10:00Z",
                "2026-11-28T07:20:00Z",
                "2026-11-28T07:30:00Z"
            ]
        );
        assert_eq!(
            turns(&schedule, "2026-11-28T07:10:00Z", 1),
            ["2026-11-28T07:20:00Z"],
            "not the same turn again"
        );
    }

    #[test]
    fn cron_is_utc_and_knows_leap_days_and_the_ends_of_months() {
        for (cron, after, expected) in [
            ("0 3 * * *", "2026-03-29T00:30:00Z", "2026-03-29T03:00:00Z"),
            ("0 3 * * *", "2026-03-29T03:00:00Z", "2026-03-30T03:00:00Z"),
            ("30 2 * * *", "2026-10-25T00:00:00Z", "2026-10-25T02:30:00Z"),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 L * *", "2026-02-01T00:00:00Z", "2026-02-28T00:00:00Z"),
            (
                "*/15 8-18 * * MON-FRI",
                "2026-11-28T07:00:00Z",
                "2026-11-30T08:00:00Z",
            ),
            ("@hourly", "2026-11-28T07:00:00Z", "2026-11-28T08:00:00Z"),
        ] {
            let schedule = Schedule::cron(cron).unwrap();
            assert_eq!(turns(&schedule, after, 1), [expected], "{cron}");
        }
    }

    #[test]
    fn a_time_that_cannot_be_read_or_never_comes_is_refused_with_what_is_right() {
        for wrong in [
            "",
            "10",
            "ten minutes",
            "0s",
            "500ms",
            "1.5s",
            "-10 min",
            "* * * * *",
        ] {
            let error = Schedule::every(wrong).err().unwrap();
            assert!(
                error.contains(&format!("{wrong:?} is no interval")) && error.contains("10 min"),
                "{wrong}: {error}"
            );
        }
        for wrong in [
            "",
            "0 3 * *",
            "60 3 * * *",
            "0 0 3 * * *",
            "daily",
            "0 3 * * XYZ",
            "10 min",
            "a b c d e",
            "\n",
        ] {
            let error = Schedule::cron(wrong).err().unwrap();
            assert!(
                error.contains(&format!("{wrong:?} is no time of cron"))
                    && error.contains("\"0 3 * * *\""),
                "{wrong}: {error}"
            );
        }
        let error = Schedule::cron("0 0 30 2 *").err().unwrap();
        assert!(error.contains("never comes"), "{error}");
    }
}
