//! Parts of files: RFC 9110, 14.

use std::ops::Range;

/// What of a file is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it: also where the header makes no sense, or asks for several parts at once, which
    /// 14.2 leaves to us. Many small parts are a way to make a server work.
    Whole,
    Part(Range<u64>),
    /// A part that lies behind its end.
    Nothing,
}

impl Asked {
    /// Reads a `Range` for a file of this length.
    pub(super) fn of(header: &str, length: u64) -> Self {
        let Some((first, last)) = single_range(header) else {
            return Self::Whole;
        };
        match (number(first), number(last)) {
            (Some(first), Some(to)) if to < first => Self::Whole,
            (Some(first), to) if to.is_some() || last.is_empty() => {
                Self::between(first, to.unwrap_or(u64::MAX), length)
            }
            (None, Some(suffix)) if first.is_empty() => Self::suffix(suffix, length),
            _ => Self::Whole,
        }
    }

    fn between(first: u64, last: u64, length: u64) -> Self {
        if first < length {
            Self::Part(first..last.saturating_add(1).min(length))
        } else {
            Self::Nothing
        }
    }

    fn suffix(suffix: u64, length: u64) -> Self {
        match suffix {
            0 => Self::Nothing,
            // There is no way to write a part without bytes.
            _ if length == 0 => Self::Whole,
            _ => Self::Part(length.saturating_sub(suffix)..length),
        }
    }
}

/// The two sides of `bytes=first-last`.
fn single_range(header: &str) -> Option<(&str, &str)> {
    let (unit, ranges) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || ranges.contains(',') {
        return None;
    }
    ranges.trim().split_once('-')
}

/// A number of any size; what is too large to count is larger than every file.
fn number(digits: &str) -> Option<u64> {
    let fine = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    fine.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        use Asked::{Nothing, Part, Whole};
        let huge = "9".repeat(400);
        for (header, expected) in [
            ("bytes=0-", Part(0..10)),
            ("bytes=0-0", Part(0..1)),
            ("bytes=2-4", Part(2..5)),
            ("Bytes=9-", Part(9..10)),
            ("bytes= 2-4 ", Part(2..5)),
            ("bytes=5-99", Part(5..10)),
            (&format!("bytes=5-{huge}"), Part(5..10)),
            ("bytes=0-18446744073709551615", Part(0..10)),
            ("bytes=-5", Part(5..10)),
            ("bytes=-99", Part(0..10)),
            (&format!("bytes=-{huge}"), Part(0..10)),
            ("bytes=10-", Nothing),
            ("bytes=10-20", Nothing),
            (&format!("bytes={huge}-"), Nothing),
            ("bytes=-0", Nothing),
            ("bytes=5-2", Whole),
            ("bytes=-", Whole),
            ("bytes=", Whole),
            ("bytes", Whole),
            ("bytes=abc", Whole),
            ("bytes=a-b", Whole),
            ("bytes=1-b", Whole),
            ("bytes=1-b-", Whole),
            ("bytes=a-5", Whole),
            ("bytes=--5", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1-2-3", Whole),
            ("bytes=0-1,3-4", Whole),
            ("lines=0-1", Whole),
            ("", Whole),
        ] {
            assert_eq!(Asked::of(header, 10), expected, "{header}");
        }
    }

    #[test]
    fn an_empty_file_has_no_parts() {
        assert_eq!(Asked::of("bytes=0-", 0), Asked::Nothing);
        assert_eq!(Asked::of("bytes=-5", 0), Asked::Whole);
    }
}
