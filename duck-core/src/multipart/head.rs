//! The headers of a part.

use std::borrow::Cow;

use http::header;
use multer::Field;

use crate::files;
use crate::request_error::RequestError;

/// What a part says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) name: String,
    /// Made safe already.
    pub(super) file_name: Option<String>,
    /// The visitor chose no file, which browsers tell by a file without a name.
    pub(super) is_unchosen: bool,
    pub(super) media_type: Option<String>,
}

impl Head {
    pub(super) fn read(field: &Field<'_>) -> Result<Self, RequestError> {
        let disposition = field.headers().get(header::CONTENT_DISPOSITION);
        let disposition = disposition.map(|value| String::from_utf8_lossy(value.as_bytes()));
        let media_type = field
            .content_type()
            .map(|mime| mime.essence_str().to_owned());
        Self::parse(&disposition.unwrap_or(Cow::Borrowed("")), media_type)
            .ok_or_else(|| RequestError::bad_request("a part of the upload has no name"))
    }

    fn parse(disposition: &str, media_type: Option<String>) -> Option<Self> {
        let (kind, parameters) = disposition.split_once(';')?;
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return None;
        }
        let (mut name, mut file) = (None, None);
        let mut rest = next(parameters);
        while !rest.is_empty() {
            let (key, value, after) = parameter(rest)?;
            match key.to_ascii_lowercase().as_str() {
                "name" => name = name.or(Some(value)),
                "filename" => file = file.or(Some(value)),
                // `filename*` is not for forms: RFC 7578, 4.2.
                _ => {}
            }
            rest = next(after);
        }
        Some(Self {
            name: name?,
            is_unchosen: file.as_deref() == Some(""),
            file_name: file
                .filter(|file| !file.is_empty())
                .map(|file| files::clean(&file)),
            media_type,
        })
    }
}

fn next(text: &str) -> &str {
    text.trim_start_matches([';', ' ', '\t'])
}

/// The first parameter's name and value, and the text after it.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let (key, value) = text.split_once('=')?;
    let (value, rest) = match value.trim_start().strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => token(value),
    };
    Some((key.trim(), value, rest))
}

fn token(text: &str) -> (String, &str) {
    let (value, rest) = text.split_once(';').unwrap_or((text, ""));
    (value.trim().to_owned(), rest)
}

/// Text up to the closing quote. Only a quote is escaped by a backslash: browsers of old send
/// `C:\folder\file` as it is.
fn unquote(text: &str) -> Option<(String, &str)> {
    let is_escaped = |quote: usize| text[..quote].ends_with('\\');
    let (end, _) = text
        .match_indices('"')
        .find(|(quote, _)| !is_escaped(*quote))?;
    Some((text[..end].replace("\\\"", "\""), &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(disposition: &str) -> Option<(String, Option<String>)> {
        Head::parse(disposition, None).map(|head| (head.name, head.file_name))
    }

    #[test]
    fn names_are_read_as_browsers_write_them() {
        for (disposition, name, file) in [
            ("form-data; name=\"a\"", "a", None),
            ("Form-Data;NAME=a", "a", None),
            ("form-data; name=\"\"", "", None),
            (
                "form-data; name=\"a\"; filename=\"b.txt\"",
                "a",
                Some("b.txt"),
            ),
            ("form-data; filename=b.txt ; name=a;", "a", Some("b.txt")),
            ("form-data; name = \"a\" ; filename = \"b\"", "a", Some("b")),
            ("form-data; name=\"a; filename=x\"", "a; filename=x", None),
            ("form-data; name=\"a\\\"b\"", "a\"b", None),
            (
                "form-data; name=a; filename=\"C:\\dir\\x.txt\"",
                "a",
                Some("x.txt"),
            ),
            ("form-data; name=a; filename=\"../../x\"", "a", Some("x")),
            ("form-data; name=a; filename=\"..\"", "a", Some("unnamed")),
            ("form-data; name=a; filename=\"\"", "a", None),
            (
                "form-data; name=a; filename=b; filename=../c",
                "a",
                Some("b"),
            ),
            ("form-data; name=a; filename*=UTF-8''evil", "a", None),
            (
                "form-data; name=\"ü\"; filename=\"ü.txt\"",
                "ü",
                Some("ü.txt"),
            ),
        ] {
            let expected = Some((name.to_owned(), file.map(str::to_owned)));
            assert_eq!(parse(disposition), expected, "{disposition}");
        }
    }

    #[test]
    fn what_has_no_name_is_refused() {
        for disposition in [
            "",
            "form-data",
            "form-data; filename=x",
            "attachment; name=a",
            "form-data; name",
            "form-data; name=\"a",
            "form-data; name=\"a\\\"",
            "form-data; name=a; filename=\"",
            ";;;",
            "=",
        ] {
            assert_eq!(parse(disposition), None, "{disposition}");
        }
    }

    #[test]
    fn a_file_that_was_not_chosen_is_told_from_an_empty_field() {
        let unchosen = |text| Head::parse(text, None).unwrap().is_unchosen;
        assert!(unchosen("form-data; name=a; filename=\"\""));
        assert!(!unchosen("form-data; name=a"));
    }
}
