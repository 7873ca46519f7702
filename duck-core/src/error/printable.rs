//! Texts from elsewhere as they can stand in a line of the log or in a page: what a reader would not see,
//! or what would turn the line around, is written out.

use std::borrow::Cow;
use std::fmt;

/// Bytes of a path that the log has.
const PATH: usize = 512;

/// Bytes of a chain of causes that the log has.
const CAUSE: usize = 4096;

/// A text in quotes, on one line, cut to a bound: `"/notes/7"`. Control characters, U+2028 (which ends a
/// line) and U+202E (which turns it around) are escaped as in Rust's own literals.
pub(crate) struct Quoted<'a> {
    text: Cow<'a, str>,
    most: usize,
}

impl<'a> Quoted<'a> {
    /// A path, as the client wrote it.
    pub(crate) fn path(path: &'a str) -> Self {
        Self {
            text: Cow::Borrowed(path),
            most: PATH,
        }
    }

    /// What went wrong: errors may quote what they could not read.
    pub(crate) fn cause(cause: String) -> Self {
        Self {
            text: Cow::Owned(cause),
            most: CAUSE,
        }
    }
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.text[..self.text.floor_char_boundary(self.most)];
        write!(f, "{shown:?}")?;
        match self.text.len() {
            all if all > shown.len() => write!(f, "… ({all} bytes)"),
            _ => Ok(()),
        }
    }
}

/// A text for a page, cut to so many bytes. Line breaks and tabs stay.
pub(crate) fn printable(text: &str, most: usize) -> String {
    let shown = &text[..text.floor_char_boundary(most)];
    let mut printable = String::with_capacity(shown.len());
    for character in shown.chars() {
        match character {
            '\n' | '\t' | '"' | '\'' | '\\' => printable.push(character),
            other => printable.extend(other.escape_debug()),
        }
    }
    if shown.len() < text.len() {
        printable += &format!("… ({} bytes)", text.len());
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_the_clients_stays_on_its_line_and_within_its_bound() {
        let evil = "/a\u{202e}b\u{2028}c\r\nd\u{1b}[31m\"";
        assert_eq!(
            Quoted::path(evil).to_string(),
            r#""/a\u{202e}b\u{2028}c\r\nd\u{1b}[31m\"""#
        );
        let long = format!("/{}", "ü".repeat(30_000));
        let quoted = Quoted::path(&long).to_string();
        assert!(quoted.len() < PATH + 30, "{}", quoted.len());
        assert!(quoted.ends_with("ü\"… (60001 bytes)"), "{quoted}");
    }

    #[test]
    fn a_page_shows_what_would_be_invisible() {
        assert_eq!(
            printable("a \"b\"\n\u{202e}c\u{200b}\0", 100),
            "a \"b\"\n\\u{202e}c\\u{200b}\\0"
        );
        assert_eq!(printable("Grüße", 3), "Gr… (7 bytes)");
    }
}
