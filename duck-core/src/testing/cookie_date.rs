//! The time in an `Expires`, which browsers read in almost any form: RFC 6265bis, 5.6.1.

use cookie::time::{Date, Month, OffsetDateTime, Time};

/// The day, the month, the year and the time of day, in any order and with anything between them.
pub(super) fn parse(text: &str) -> Option<OffsetDateTime> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(is_delimiter) {
        if time.is_none() && token.contains(':') {
            time = time_of_day(token);
        } else if day.is_none()
            && let Some(number) = number(token, 1..=2)
        {
            day = u8::try_from(number).ok();
        } else if month.is_none()
            && let Some(number) = month_of(token)
        {
            month = Some(number);
        } else if year.is_none() {
            year = number(token, 2..=4).map(|year| match year {
                0..=69 => year + 2000,
                70..=99 => year + 1900,
                year => year,
            });
        }
    }
    let year = year.filter(|year| *year > 1600)?;
    let date = Date::from_calendar_date(year.into(), month?, day?).ok()?;
    Some(date.with_time(time?).assume_utc())
}

fn is_delimiter(character: char) -> bool {
    matches!(character, '\t' | ' '..='/' | ';'..='@' | '['..='`' | '{'..='~')
}

/// The number that a token begins with, if it has as many digits.
fn number(token: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u16> {
    let end = token.find(|character: char| !character.is_ascii_digit());
    let number = &token[..end.unwrap_or(token.len())];
    digits
        .contains(&number.len())
        .then(|| number.parse().ok())?
}

fn time_of_day(token: &str) -> Option<Time> {
    let mut parts = token.splitn(3, ':').map(|part| number(part, 1..=2));
    let mut next = || u8::try_from(parts.next()??).ok();
    Time::from_hms(next()?, next()?, next()?).ok()
}

fn month_of(token: &str) -> Option<Month> {
    const NAMES: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let name = token.get(..3)?.to_ascii_lowercase();
    let number = NAMES.iter().position(|month| *month == name)? + 1;
    Month::try_from(u8::try_from(number).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_the_forms_that_browsers_take() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "06 November 1994 8:49:37",
            "1994 nov 6 08:49:37 UTC",
            "Sun, 06-Nov-1994 08:49:37",
        ] {
            let time = parse(text).unwrap();
            assert_eq!(time.unix_timestamp(), 784_111_777, "{text}");
        }
        for text in [
            "",
            "0",
            "-1",
            "Sun, 06 Nov 1994",
            "06 Nov 1994 08:49",
            "31 Feb 1994 08:49:37",
            "06 Nov 1600 08:49:37",
            "06 Nov 1994 24:00:00",
            "06 Nov 1994 008:49:37",
            "soon",
            "é Nov 6",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
