//! Times and sizes in words, and text that is safe to show.

use std::fmt::Write as _;

use crate::clock;

const SECOND: u64 = 1000;

/// The last second of the year 9999, which has the last date there are words for.
const LAST: u64 = 253_402_300_799_000;

/// A time, in milliseconds since 1970, as `2025-11-25T19:05:11Z`.
pub(super) fn date(millis: u64) -> String {
    humantime::format_rfc3339_seconds(clock::time(millis.min(LAST))).to_string()
}

/// How long something takes, in its two largest units: `6d 21h`, `2m 13s`.
pub(super) fn span(millis: u64) -> String {
    let seconds = millis / SECOND;
    let units = [(86_400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')];
    let first = units.iter().position(|(length, _)| seconds >= *length);
    let first = first.unwrap_or(units.len() - 1);
    let (length, unit) = units[first];
    let mut text = format!("{}{unit}", seconds / length);
    if let Some((smaller, unit)) = units.get(first + 1) {
        let rest = seconds % length / smaller;
        if rest > 0 {
            let _ = write!(text, " {rest}{unit}");
        }
    }
    text
}

/// A size: `212 B`, `3.1 MB`.
pub(super) fn size(bytes: u64) -> String {
    let mut unit = "B";
    let (mut whole, mut tenth) = (bytes, 0);
    for larger in ["kB", "MB", "GB", "TB"] {
        if whole < 1000 {
            break;
        }
        (whole, tenth, unit) = (whole / 1000, whole % 1000 / 100, larger);
    }
    if unit == "B" || whole >= 100 {
        format!("{whole} {unit}")
    } else {
        format!("{whole}.{tenth} {unit}")
    }
}

/// Sessions, one or many.
pub(super) fn sessions(count: usize) -> String {
    match count {
        1 => "1 session".to_owned(),
        _ => format!("{count} sessions"),
    }
}

/// Names and what they stand for, one a line.
pub(super) fn table(lines: &[(&str, String)]) -> String {
    lines
        .iter()
        .map(|(name, value)| format!("  {name:<11} {value}\n"))
        .collect()
}

/// Text of a visitor's, with everything that a terminal might act on escaped as in JSON.
pub(super) fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if acts(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Control characters, and those that turn the direction of the text around them.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_units_at_most() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (133, "2m 13s"),
            (7200, "2h"),
            (594_000, "6d 21h"),
            (86_400 * 400, "400d"),
        ] {
            assert_eq!(span(seconds * SECOND + 999), text);
        }
    }

    #[test]
    fn sizes_are_rounded_down() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (99_999, "99.9 kB"),
            (123_456, "123 kB"),
            (3_199_999, "3.1 MB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn every_date_can_be_written() {
        assert_eq!(date(1_764_097_511_000), "2025-11-25T19:05:11Z");
        assert_eq!(date(u64::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn a_terminal_is_told_nothing() {
        assert_eq!(
            harmless("a\u{1b}[2J\u{9b}b\u{202e}ü"),
            "a\\u001b[2J\\u009bb\\u202eü"
        );
    }
}
