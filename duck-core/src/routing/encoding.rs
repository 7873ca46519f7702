//! How paths are spelled in URLs: percent-encoding (RFC 3986, 2.1 and 6.2.2).

use std::borrow::Cow;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What may stand in a segment of a path as it is (RFC 3986, `pchar`).
pub(super) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// The same with `/`, for a parameter that takes the rest of the path.
pub(super) const REST: &AsciiSet = &SEGMENT.remove(b'/');

/// A path of names with slashes between them, percent-encoded.
pub(crate) fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, REST).to_string()
}

/// The one way to write a path, of a request or of a pattern: percent-encoding undone where the
/// character needs none, in upper case where it stays (RFC 3986, 6.2.2), and added where a client
/// left it out. `None` where a `%` is not followed by two hexadecimal digits.
pub(crate) fn normalize(path: &str) -> Option<Cow<'_, str>> {
    // Every byte is looked at, whatever the first ones are: it is faster so.
    let plain = path.bytes().fold(true, |so_far, byte| {
        so_far & NEEDS_NO_ENCODING[usize::from(byte)]
    });
    if plain {
        return Some(Cow::Borrowed(path));
    }
    let mut normal = String::with_capacity(path.len() + 16);
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        normal.extend(utf8_percent_encode(&rest[..at], REST));
        let digits = rest.get(at + 1..at + 3)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let byte = u8::from_str_radix(digits, 16).ok()?;
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            normal.push(byte as char);
        } else {
            write!(normal, "%{byte:02X}").expect("a String takes every write");
        }
        rest = &rest[at + 3..];
    }
    normal.extend(utf8_percent_encode(rest, REST));
    Some(Cow::Owned(normal))
}

/// The same as [`REST`], for a quick look.
const NEEDS_NO_ENCODING: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'/' | b'-'
                    | b'.'
                    | b'_'
                    | b'~'
                    | b'!'
                    | b'$'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b','
                    | b';'
                    | b'='
                    | b':'
                    | b'@'
            );
        byte += 1;
    }
    table
};

/// A parameter's value as the visitor meant it; `None` where it is not UTF-8.
pub(crate) fn decode(value: &str) -> Option<Cow<'_, str>> {
    if !value.as_bytes().contains(&b'%') {
        return Some(Cow::Borrowed(value));
    }
    percent_decode_str(value).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_look_agrees_with_the_table() {
        for byte in 0..128_u8 {
            let text = char::from(byte).to_string();
            let stays = utf8_percent_encode(&text, REST).to_string() == text;
            assert_eq!(NEEDS_NO_ENCODING[usize::from(byte)], stays, "{text:?}");
        }
        assert!((128_u8..=255).all(|byte| !NEEDS_NO_ENCODING[usize::from(byte)]));
    }

    #[test]
    fn one_spelling_for_each_path() {
        assert_eq!(normalize("/%7euser/%c3%a9").unwrap(), "/~user/%C3%A9");
        assert_eq!(normalize("/a%2Fb").unwrap(), "/a%2Fb");
        assert_eq!(normalize("/é\\{%7b").unwrap(), "/%C3%A9%5C%7B%7B");
        assert!(normalize("/100%").is_none());
        assert!(normalize("/%+1").is_none());
        assert!(normalize("/%é").is_none());
    }
}
