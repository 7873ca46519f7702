//! What a field is read as after it was refused, so that reading goes on and finds what else is
//! wrong. A value with a stand-in in it is looked at by the rules, and never given to a view.

use crate::http::fields::Problem;

/// Texts that types read: numbers, dates, times, ids, addresses.
const TEXTS: [&str; 13] = [
    "",
    "0",
    "1",
    "1970-01-01",
    "1970-01-01T00:00:00Z",
    "1970-01-01T00:00:00",
    "00:00:00",
    "1970-01-01T00:00",
    "00:00",
    "00000000-0000-0000-0000-000000000000",
    "127.0.0.1",
    "http://a.example/",
    "a@a.example",
];

const NUMBERS: [&str; 2] = ["0", "1"];

/// How many there are to try.
pub(super) const COUNT: usize = TEXTS.len();

/// The field takes none.
pub(super) const NONE_LEFT: Problem = Problem::Invalid;

pub(super) fn text(number: usize) -> Result<&'static str, Problem> {
    TEXTS.get(number).copied().ok_or(NONE_LEFT)
}

pub(super) fn number(number: usize) -> Result<&'static str, Problem> {
    NUMBERS.get(number).copied().ok_or(NONE_LEFT)
}
