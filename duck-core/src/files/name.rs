//! Names of files that travel: those of uploads and downloads.

use http::header::{self, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::response::Response;

/// Bytes of a name. Most file systems take 255, and there has to be room for a suffix.
const LONGEST: usize = 200;

/// Bytes of an ending that is kept when a name is cut.
const LONGEST_ENDING: usize = 16;

/// What may stand in `filename*` as it is: RFC 8187, 3.2.1, `attr-char`.
const ATTRIBUTE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

impl Response {
    /// The same response as a download: the browser saves it under this name and does not show it.
    ///
    /// The name may be any text: of a path the last part is taken, and characters that no file
    /// name or header should have are left out. Use it for what visitors uploaded: a page of HTML
    /// among it that is shown instead runs as a page of your site.
    ///
    /// ```
    /// use duck::text;
    ///
    /// let response = text("…").download("../Crêpes \"à la\" Duck.txt");
    /// assert_eq!(
    ///     response.headers()["content-disposition"],
    ///     "attachment; filename=\"Cr_pes __ la_ Duck.txt\"; \
    ///      filename*=UTF-8''Cr%C3%AApes%20_%C3%A0%20la_%20Duck.txt"
    /// );
    /// ```
    #[must_use]
    pub fn download(self, name: &str) -> Self {
        self.with(header::CONTENT_DISPOSITION, disposition(&clean(name)))
    }
}

/// The header for a clean name, twice where it is not ASCII: RFC 6266, appendix D.
fn disposition(name: &str) -> HeaderValue {
    let plain: String = name.chars().map(plain).collect();
    let mut header = format!("attachment; filename=\"{plain}\"");
    if plain != name {
        header += "; filename*=UTF-8''";
        header.extend(utf8_percent_encode(name, ATTRIBUTE));
    }
    HeaderValue::try_from(header).expect("all of it is printable ASCII")
}

/// A character for inside the quotes. Some browsers decode a `%` there.
fn plain(character: char) -> char {
    match character {
        '"' | '\\' | '%' => '_',
        ' '..='~' => character,
        _ => '_',
    }
}

/// A name that is one name and nothing else on any system: the last part of a path, without
/// characters that cannot be seen or that Windows forbids, not hidden, and of limited length.
pub(crate) fn clean(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let seen: String = last
        .chars()
        .filter(|character| !is_unseen(*character))
        .map(|character| match character {
            '<' | '>' | ':' | '"' | '|' | '?' | '*' => '_',
            other => other,
        })
        .collect();
    let short = shorten(trim(&seen));
    if short.is_empty() {
        "unnamed".to_owned()
    } else if is_device(&short) {
        format!("_{short}")
    } else {
        short
    }
}

/// Control characters, those that take no room, and those that turn the direction of writing: `gpj.exe` reads
/// as a picture.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{feff}'
        )
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A leading dot hides a file; Windows drops trailing ones.
fn trim(name: &str) -> &str {
    name.trim_matches(|character: char| character == '.' || character.is_whitespace())
}

/// Cuts a long name before its ending.
fn shorten(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let (stem, ending) = match name.rfind('.') {
        Some(dot) if name.len() - dot <= LONGEST_ENDING => name.split_at(dot),
        _ => (name, ""),
    };
    let end = stem.floor_char_boundary(LONGEST - ending.len());
    format!("{}{ending}", trim(&stem[..end]))
}

/// Names that mean a device on Windows, whatever ending they have.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let stem = stem.to_ascii_uppercase();
    matches!(
        stem.as_str(),
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$"
    ) || stem
        .strip_prefix("COM")
        .or_else(|| stem.strip_prefix("LPT"))
        .is_some_and(|number| {
            let mut digits = number.chars();
            // Windows takes these superscripts for digits.
            digits
                .next()
                .is_some_and(|digit| "0123456789¹²³".contains(digit))
                && digits.next().is_none()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_safe() {
        for (name, expected) in [
            ("photo.jpg", "photo.jpg"),
            ("Crêpes à la Duck.txt", "Crêpes à la Duck.txt"),
            ("../../x", "x"),
            ("..\\..\\x", "x"),
            ("C:\\x", "x"),
            ("C:x", "C_x"),
            ("/etc/passwd", "passwd"),
            ("a/", "unnamed"),
            ("", "unnamed"),
            ("..", "unnamed"),
            (". . .", "unnamed"),
            ("\0", "unnamed"),
            (".htaccess", "htaccess"),
            (" . .profile", "profile"),
            ("a\0b\r\nc.txt", "abc.txt"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("x.txt. .", "x.txt"),
            ("file.txt::$DATA", "file.txt__$DATA"),
            ("CON", "_CON"),
            ("nul.tar.gz", "_nul.tar.gz"),
            ("lpt1", "_lpt1"),
            ("COM¹.txt", "_COM¹.txt"),
            ("conin$", "_conin$"),
            ("COM10", "COM10"),
            ("a\u{2028}\u{feff}\u{200b}b", "ab"),
            ("console", "console"),
            ("COMÉ", "COMÉ"),
        ] {
            assert_eq!(clean(name), expected, "{name:?}");
        }
    }

    #[test]
    fn long_names_are_cut_and_keep_their_ending() {
        let cut = clean(&format!("{}.jpeg", "é".repeat(2500)));
        assert!(cut.len() <= LONGEST && cut.ends_with("é.jpeg"), "{cut}");
        let cut = clean(&format!("a.{}", "b".repeat(5000)));
        assert_eq!(cut.len(), LONGEST);
    }

    #[test]
    fn no_name_gets_out_of_its_header() {
        for name in [
            "a\"; filename=evil.exe",
            "a\r\nx: y",
            "%22.html",
            "\u{1f986}",
            "'",
        ] {
            let response = crate::text("").download(name);
            let header = response.headers()["content-disposition"].to_str().unwrap();
            assert_eq!(header.matches('"').count(), 2, "{header}");
            let inside = header.split('"').nth(1).unwrap();
            assert!(!inside.contains(['%', '\\', '\r', '\n']), "{header}");
        }
        let response = crate::text("").download("a b.txt");
        let header = &response.headers()["content-disposition"];
        assert_eq!(header, "attachment; filename=\"a b.txt\"");
    }
}
