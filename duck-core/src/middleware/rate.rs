//! How often something may happen, as it is written: `5/min`.

use std::num::NonZeroU32;
use std::time::Duration;

/// The units, and how long they are in seconds. The first name of each is the one that messages show.
const UNITS: [(&[&str], u64); 4] = [
    (&["s", "sec", "second"], 1),
    (&["min", "minute"], 60),
    (&["hour", "h"], 3600),
    (&["day", "d"], 86400),
];

/// So often at most in one unit.
const MOST: u32 = 1_000_000;

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) count: NonZeroU32,
    pub(super) one_more: Duration,
}

impl Rate {
    /// Reads `5/min`. The error is the end of a sentence for the site's author.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let form = || "is written as \"5/min\": a number, `/`, and `s`, `min`, `hour` or `day`";
        let (count, unit) = text.split_once('/').ok_or_else(form)?;
        if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(form().to_owned());
        }
        let seconds = UNITS
            .iter()
            .find(|(names, _)| names.contains(&unit))
            .map(|(_, seconds)| *seconds)
            .ok_or_else(form)?;
        let count = count.parse().ok().filter(|count| *count <= MOST);
        let count = count.ok_or_else(|| format!("lets through {MOST} at most"))?;
        let count = NonZeroU32::new(count).ok_or("lets through one at least")?;
        let one_more = Duration::from_secs(seconds) / count.get();
        Ok(Self { count, one_more })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_in_a_unit() {
        for (text, count, one_more) in [
            ("5/min", 5, Duration::from_secs(12)),
            ("5/minute", 5, Duration::from_secs(12)),
            ("10/s", 10, Duration::from_millis(100)),
            ("10/sec", 10, Duration::from_millis(100)),
            ("10/second", 10, Duration::from_millis(100)),
            ("100/hour", 100, Duration::from_secs(36)),
            ("100/h", 100, Duration::from_secs(36)),
            ("1000/day", 1000, Duration::from_millis(86_400)),
            ("1000/d", 1000, Duration::from_millis(86_400)),
            ("1000000/s", 1_000_000, Duration::from_micros(1)),
            ("1/day", 1, Duration::from_secs(86_400)),
        ] {
            let count = NonZeroU32::new(count).unwrap();
            assert_eq!(Rate::parse(text), Ok(Rate { count, one_more }), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused_with_words() {
        for text in [
            "",
            "5",
            "5/",
            "/min",
            "5/mn",
            "5/m",
            "5 / min",
            " 5/min",
            "5/min ",
            "5/Min",
            "-5/min",
            "+5/min",
            "1.5/s",
            "5/min/hour",
            "5 per minute",
            "5/10s",
            "x/min",
            "٥/min",
            "5\\min",
        ] {
            let error = Rate::parse(text).unwrap_err();
            assert!(
                error.starts_with("is written as \"5/min\""),
                "{text}: {error}"
            );
        }
        assert_eq!(
            Rate::parse("0/min").unwrap_err(),
            "lets through one at least"
        );
        for text in ["1000001/s", "99999999999999999999/day"] {
            let error = Rate::parse(text).unwrap_err();
            assert_eq!(error, "lets through 1000000 at most", "{text}");
        }
    }
}
