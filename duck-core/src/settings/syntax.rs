//! What is wrong with a settings file that is not TOML, said without any value in it.

use super::mismatch::boolean;

/// What would be right where the file stops being TOML. Most such lines are another format's: Python's
/// `True`, a text without quotes.
pub(super) fn explain(text: &str, place: usize, error: &toml::de::Error) -> String {
    let line = line_at(text, place);
    let Some((key, value)) = line.split_once(['=', ':']) else {
        return error.message().to_owned();
    };
    let key = key.trim();
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if key.is_empty() || !key.bytes().all(is_key) {
        return error.message().to_owned();
    }
    if error.message() == "duplicate key" {
        return format!("{key}: is set a second time; leave one of the two lines out");
    }
    match expected(line, value.trim()) {
        Some(right) => format!("{key}: {right}"),
        None => format!("{key}: {}", error.message()),
    }
}

fn line_at(text: &str, place: usize) -> &str {
    let bytes = text.as_bytes();
    let place = place.min(bytes.len());
    let is_end = |byte: &u8| *byte == b'\n';
    let start = bytes[..place]
        .iter()
        .rposition(is_end)
        .map_or(0, |end| end + 1);
    let end = bytes[place..]
        .iter()
        .position(is_end)
        .map_or(bytes.len(), |end| place + end);
    text.get(start..end).unwrap_or_default()
}

fn expected(line: &str, value: &str) -> Option<String> {
    if !line.contains('=') {
        return Some("write `KEY = value`, with `=`".into());
    }
    let word = value.split('#').next().unwrap_or_default();
    let word = word.trim_end_matches([' ', '\t', '\r', ',', ';']);
    if let Some(meant) = boolean(word).filter(|_| !word.starts_with(['0', '1'])) {
        return Some(format!("write `{meant}`, in lower case and without quotes"));
    }
    match word.bytes().next()? {
        _ if matches!(word.to_ascii_lowercase().as_str(), "none" | "null" | "nil") => {
            Some("leave the line out where there is no value".into())
        }
        b'(' => Some("write a list in brackets: [\"one\", \"two\"]".into()),
        b'"' if value.contains('\\') => {
            Some("write a text that has a `\\` in it in single quotes: '…'".into())
        }
        first if first.is_ascii_digit() && is_grouped(word) => {
            Some("write the number in digits alone; `_` may stand between them".into())
        }
        first if first.is_ascii_digit() && is_sum(word) => {
            Some("write the number itself: TOML does not calculate".into())
        }
        first if first.is_ascii_alphanumeric() || b"/.*_".contains(&first) => {
            Some("write a text in quotes: \"…\"".into())
        }
        _ => None,
    }
}

/// `1 000 000` and `1,000,000`.
fn is_grouped(word: &str) -> bool {
    word.bytes()
        .all(|byte| byte.is_ascii_digit() || b" ,'".contains(&byte))
}

/// `60 * 60`, as it stands in settings that are programs.
fn is_sum(word: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_digit() || b" */+_".contains(&byte);
    word.contains(['*', '/', '+']) && word.bytes().all(is_part)
}
