//! Texts of clients in lines of the log: on one line, without what a terminal would obey, and cut to a bound.
//! Nothing is allocated for them.

use std::io::Write;

/// Writes a text for a line that people read: what could end the line, turn it around or be taken for the end of
/// a quoted text is escaped as in Rust's own literals.
pub(super) fn put_plain(line: &mut Vec<u8>, text: &str, most: usize) {
    put(line, text, most, |line, character| {
        put_display(line, character.escape_debug());
    });
}

/// Writes a text for a JSON string, all in ASCII.
pub(super) fn put_json(line: &mut Vec<u8>, text: &str, most: usize) {
    put(line, text, most, |line, character| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            put_display(line, format_args!("\\u{unit:04x}"));
        }
    });
}

fn put(line: &mut Vec<u8>, text: &str, most: usize, escape: impl Fn(&mut Vec<u8>, char)) {
    let shown = &text[..text.floor_char_boundary(most)];
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if shown.bytes().all(is_plain) {
        line.extend_from_slice(shown.as_bytes());
    } else {
        for character in shown.chars() {
            match u8::try_from(character) {
                Ok(byte) if is_plain(byte) => line.push(byte),
                _ => escape(line, character),
            }
        }
    }
    if shown.len() < text.len() {
        put_display(line, format_args!("...({} bytes)", text.len()));
    }
}

/// Writes what has a text of its own.
pub(super) fn put_display(line: &mut Vec<u8>, value: impl std::fmt::Display) {
    write!(line, "{value}").expect("a Vec takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "/a\u{1b}[2J\r\n\u{7f}\u{9b}\"\\\u{202e}\u{2028}\u{200b}ü\u{1f986}";

    fn put_with(put: fn(&mut Vec<u8>, &str, usize), text: &str) -> String {
        let mut line = Vec::new();
        put(&mut line, text, 512);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn nothing_of_a_clients_text_ends_a_line_or_reaches_a_terminal() {
        let plain = put_with(put_plain, EVIL);
        assert_eq!(
            plain,
            "/a\\u{1b}[2J\\r\\n\\u{7f}\\u{9b}\\\"\\\\\\u{202e}\\u{2028}\\u{200b}ü\u{1f986}"
        );
        let json = put_with(put_json, EVIL);
        assert!(json.is_ascii() && !json.bytes().any(|byte| byte.is_ascii_control()));
        let read: String = serde_json::from_str(&format!("\"{json}\"")).unwrap();
        assert_eq!(read, EVIL);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = "ü".repeat(10_000);
        for put in [put_plain, put_json] as [fn(&mut Vec<u8>, &str, usize); 2] {
            let text = put_with(put, &long);
            assert!(text.ends_with("...(20000 bytes)"), "{text}");
            assert!(text.len() < 6 * 256 + 20, "{}", text.len());
        }
    }
}
