//! Which values an input of HTML can show.

/// Whether an `<input>` of this type shows the value. Browsers make an empty one of any other
/// (the "value sanitization algorithm" of the HTML standard).
pub(super) fn shows(kind: &str, value: &str) -> bool {
    value.is_empty()
        || match kind {
            "number" | "range" => is_number(value),
            "date" => is_date(value),
            "month" => is_month(value),
            "week" => is_week(value),
            "time" => is_time(value),
            "datetime-local" => value
                .split_once(['T', ' '])
                .is_some_and(|(date, time)| is_date(date) && is_time(time)),
            "color" => is_color(value),
            _ => true,
        }
}

/// No `+`, no `inf`, and a digit after the point, all of which Rust would have otherwise.
fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && !digits.contains(".e")
        && !digits.contains(".E")
        && !digits.ends_with('.')
        && value.parse().is_ok_and(f64::is_finite)
}

fn is_date(value: &str) -> bool {
    let Some((month, day)) = value.rsplit_once('-') else {
        return false;
    };
    let Some((year, number)) = year_and(month, '-').filter(|_| is_month(month)) else {
        return false;
    };
    let is_leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
    let days = match number {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    two_digits(day).is_some_and(|day| (1..=days).contains(&day))
}

fn is_month(value: &str) -> bool {
    year_and(value, '-').is_some_and(|(_, month)| (1..=12).contains(&month))
}

fn is_week(value: &str) -> bool {
    let week = value.split_once("-W");
    let week = week.and_then(|(year, week)| Some((is_year(year), two_digits(week)?)));
    week.is_some_and(|(is_year, week)| is_year && (1..=53).contains(&week))
}

fn is_time(value: &str) -> bool {
    let mut parts = value.splitn(3, ':');
    let below =
        |part: Option<&str>, end| part.and_then(two_digits).is_some_and(|number| number < end);
    let (hours, minutes) = (parts.next(), parts.next());
    let (seconds, fraction) = match parts.next() {
        Some(rest) => rest.split_once('.').unwrap_or((rest, "0")),
        None => ("00", "0"),
    };
    below(hours, 24)
        && below(minutes, 60)
        && below(Some(seconds), 60)
        && (1..=3).contains(&fraction.len())
        && all_digits(fraction)
}

fn is_color(value: &str) -> bool {
    let digits = value.strip_prefix('#');
    digits.is_some_and(|digits| {
        digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

fn year_and(value: &str, between: char) -> Option<(u32, u32)> {
    let (year, number) = value.split_once(between)?;
    is_year(year).then_some(())?;
    Some((year.parse().ok()?, two_digits(number)?))
}

fn is_year(text: &str) -> bool {
    text.len() >= 4 && all_digits(text) && text.bytes().any(|digit| digit != b'0')
}

fn two_digits(text: &str) -> Option<u32> {
    (text.len() == 2 && all_digits(text)).then(|| text.parse().ok())?
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_shows_what_html_calls_valid_for_it() {
        for (kind, shown, not_shown) in [
            (
                "number",
                &[
                    "0",
                    "-1",
                    "1.5",
                    ".5",
                    "1e5",
                    "-2E-3",
                    "340282366920938463463374607431768211455",
                ][..],
                &[
                    "many", "+1", "1.", "1.e5", "inf", "-inf", "NaN", "1,5", " 1", "--1", "-+1",
                    "1e999", "0x10",
                ][..],
            ),
            ("range", &["3"], &["many"]),
            (
                "date",
                &["2026-02-28", "2024-02-29", "2000-02-29", "12026-12-31"],
                &[
                    "2026-02-29",
                    "1900-02-29",
                    "2026-13-01",
                    "2026-04-31",
                    "2026-1-1",
                    "0000-01-01",
                    "tomorrow",
                    "2026-01-00",
                    "2026-01-01T10:00",
                ],
            ),
            (
                "month",
                &["2026-01"],
                &["2026-13", "2026-00", "2026", "2026-01-01"],
            ),
            (
                "week",
                &["2026-W01", "2026-W53"],
                &["2026-01", "2026-W54", "2026-W00", "2026-W1"],
            ),
            (
                "time",
                &["00:00", "23:59:59", "10:00:00.123", "10:00:00.1"],
                &[
                    "24:00",
                    "10:60",
                    "10",
                    "10:00:60",
                    "10:00:00.1234",
                    "10:00:00.",
                    "1:00",
                    "10:00Z",
                    "10:00:00:00",
                ],
            ),
            (
                "datetime-local",
                &["2026-03-01T10:30", "2026-03-01 10:30:05"],
                &["2026-03-01", "2026-03-01T10:30Z", "2026-02-30T10:30"],
            ),
            (
                "color",
                &["#f7b500", "#F7B500"],
                &["#fff", "f7b500", "yellow", "#f7b50g", "#é7b50"],
            ),
            ("text", &["anything"], &[]),
            ("email", &["no address"], &[]),
        ] {
            assert!(shows(kind, ""), "{kind}");
            for value in shown {
                assert!(shows(kind, value), "{kind}: {value}");
            }
            for value in not_shown {
                assert!(!shows(kind, value), "{kind}: {value}");
            }
        }
    }
}
