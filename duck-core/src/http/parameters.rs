//! `name=value` pairs as headers have them behind a semicolon: `Content-Type`,
//! `Content-Disposition`, `Forwarded`.
//!
//! More is read than the standards allow, since clients write more: blanks around the `=`, and any
//! character but a semicolon in a value without quotes.

use std::borrow::Cow;

use http::HeaderValue;

/// How a text in quotes is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Quoting {
    /// A backslash stands before a character that is meant as it is: RFC 9110, 5.6.4.
    Backslash,
    /// As browsers write the names in a form: `%22` for a quote, `%0D` and `%0A` for a line's end,
    /// and a backslash is itself (HTML standard, 4.10.21.8). Older clients write `\"` for a quote.
    #[cfg(feature = "multipart")]
    Percent,
}

/// A quote is never closed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unclosed;

/// What stands before the first semicolon, in lower case: `text/html; charset=utf-8` is `text/html`.
pub(crate) fn essence(value: &str) -> Cow<'_, str> {
    let end = memchr::memchr(b';', value.as_bytes());
    let essence = value[..end.unwrap_or(value.len())].trim();
    // Every byte is looked at, whatever the first ones are: it is faster so.
    let has_capitals = |so_far, byte: u8| so_far | byte.is_ascii_uppercase();
    if essence.bytes().fold(false, has_capitals) {
        Cow::Owned(essence.to_ascii_lowercase())
    } else {
        Cow::Borrowed(essence)
    }
}

/// The pairs of a text, in their order. What has no `=` is passed over.
#[derive(Debug)]
pub(crate) struct Parameters<'a> {
    rest: &'a str,
    quoting: Quoting,
}

impl<'a> Parameters<'a> {
    pub(crate) fn new(text: &'a str, quoting: Quoting) -> Self {
        Self {
            rest: text,
            quoting,
        }
    }

    /// The first value of this name, whatever its case.
    pub(crate) fn find(self, name: &str) -> Option<Cow<'a, str>> {
        let mut pairs = self.map_while(Result::ok);
        let pair = pairs.find(|(found, _)| found.eq_ignore_ascii_case(name));
        pair.map(|(_, value)| value)
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Result<(&'a str, Cow<'a, str>), Unclosed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let text = self.rest.trim_start_matches([';', ' ', '\t']);
            if text.is_empty() {
                return None;
            }
            let (name, rest) = text.split_at(text.find(['=', ';']).unwrap_or(text.len()));
            self.rest = rest;
            let Some(value) = rest.strip_prefix('=') else {
                continue;
            };
            let value = value.trim_start_matches([' ', '\t']);
            let read = match value.strip_prefix('"') {
                Some(quoted) => unquote(quoted, self.quoting),
                None => Some(token(value)),
            };
            let Some((value, rest)) = read else {
                self.rest = "";
                return Some(Err(Unclosed));
            };
            self.rest = rest;
            return Some(Ok((name.trim_end(), value)));
        }
    }
}

/// A value and the text behind it.
type Read<'a> = (Cow<'a, str>, &'a str);

fn token(text: &str) -> Read<'_> {
    let (value, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
    (Cow::Borrowed(value.trim_end()), rest)
}

fn unquote(text: &str, quoting: Quoting) -> Option<Read<'_>> {
    match quoting {
        Quoting::Backslash => unquote_backslash(text),
        #[cfg(feature = "multipart")]
        Quoting::Percent => unquote_percent(text),
    }
}

fn unquote_backslash(text: &str) -> Option<Read<'_>> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(rest.find(['"', '\\'])?);
        if let Some(after) = special.strip_prefix('"') {
            let value = if value.is_empty() {
                Cow::Borrowed(plain)
            } else {
                Cow::Owned(value + plain)
            };
            return Some((value, after));
        }
        let escaped = special.chars().nth(1)?;
        value.push_str(plain);
        value.push(escaped);
        rest = &special[1 + escaped.len_utf8()..];
    }
}

/// A quote behind a backslash closes the value where the value can end: `"C:\"`.
#[cfg(feature = "multipart")]
fn unquote_percent(text: &str) -> Option<Read<'_>> {
    let closes = |quote: usize| {
        let after = text[quote + 1..].trim_start();
        !text[..quote].ends_with('\\') || after.is_empty() || after.starts_with(';')
    };
    let mut quotes = text.match_indices('"').map(|(quote, _)| quote);
    let end = quotes.find(|quote| closes(*quote))?;
    let mut value = Cow::Borrowed(&text[..end]);
    for (written, meant) in [("\\\"", "\""), ("%22", "\""), ("%0D", "\r"), ("%0A", "\n")] {
        if value.contains(written) {
            value = Cow::Owned(value.replace(written, meant));
        }
    }
    Some((value, &text[end + 1..]))
}

/// Whether a list of words has this one.
pub(crate) fn has_word(list: &HeaderValue, word: &str) -> bool {
    let mut words = list.as_bytes().split(|byte| *byte == b',');
    words.any(|found| found.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, quoting: Quoting) -> Vec<(&str, String)> {
        Parameters::new(text, quoting)
            .map_while(Result::ok)
            .map(|(name, value)| (name, value.into_owned()))
            .collect()
    }

    #[test]
    fn pairs_are_read_as_clients_write_them() {
        for (text, pairs) in [
            ("", &[][..]),
            (" ; ;x; y ;", &[]),
            ("a=1;b=2", &[("a", "1"), ("b", "2")]),
            ("a = 1 ;\tb\t=\t2 ", &[("a", "1"), ("b", "2")]),
            ("a=b=c/:?(,", &[("a", "b=c/:?(,")]),
            ("a=;b", &[("a", "")]),
            ("a=\"\";b=\";=\"", &[("a", ""), ("b", ";=")]),
            (
                "a=\"x\\\"y\\\\z\\;\" ; b=1",
                &[("a", "x\"y\\z;"), ("b", "1")],
            ),
            ("a=\"\\ü\"", &[("a", "ü")]),
            ("a=\"x\" b=1", &[("a", "x"), ("b", "1")]),
        ] {
            let expected: Vec<_> = pairs.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
            assert_eq!(read(text, Quoting::Backslash), expected, "{text}");
        }
        for text in ["a=\"", "a=\"x", "a=\"x\\", "a=\"x\\\""] {
            let first = Parameters::new(text, Quoting::Backslash).next();
            assert_eq!(first, Some(Err(Unclosed)), "{text}");
        }
    }

    #[cfg(feature = "multipart")]
    #[test]
    fn browsers_write_a_backslash_as_itself() {
        for (text, value) in [
            (r#"a="C:\""#, r"C:\"),
            (r#"a="C:\" ; b=1"#, r"C:\"),
            (r#"a="C:\x\y.txt""#, r"C:\x\y.txt"),
            (r#"a="x%22y%0D%0Az%20%41""#, "x\"y\r\nz%20%41"),
            (r#"a="x\"y""#, "x\"y"),
            (r#"a="x\\""#, r"x\\"),
        ] {
            let pairs = read(text, Quoting::Percent);
            assert_eq!(pairs[0], ("a", value.to_owned()), "{text}");
        }
    }
}
