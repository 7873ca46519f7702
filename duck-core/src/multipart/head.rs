//! The headers of a part.

use std::borrow::Cow;
use std::char::REPLACEMENT_CHARACTER;

use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use multer::Field;
use percent_encoding::percent_decode_str;

use crate::files;
use crate::http::parameters::{Parameters, Quoting, essence};
use crate::http::request_error::RequestError;
use crate::http::response::is_token;

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
        let header = |name| {
            field
                .headers()
                .get(name)
                .map_or(&b""[..], HeaderValue::as_bytes)
        };
        let media_type = essence(&String::from_utf8_lossy(header(CONTENT_TYPE))).into_owned();
        let disposition = header(CONTENT_DISPOSITION);
        let head = Self::parse(&String::from_utf8_lossy(disposition))
            .ok_or_else(|| RequestError::bad_request("a part of the upload has no name"))?;
        if head.name.contains(REPLACEMENT_CHARACTER) && std::str::from_utf8(disposition).is_err() {
            let message = "the form has a name that is not readable text";
            return Err(RequestError::unprocessable(message));
        }
        Ok(Self {
            media_type: Some(media_type).filter(|media_type| is_media_type(media_type)),
            ..head
        })
    }

    /// Reads a `Content-Disposition`. A `name*` or `filename*` (RFC 8187) stands over the one without
    /// the star; RFC 7578 tells clients not to send it, and some do.
    fn parse(disposition: &str) -> Option<Self> {
        let (kind, parameters) = disposition.split_once(';')?;
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return None;
        }
        let (mut name, mut name_star, mut file, mut file_star) = (None, None, None, None);
        for parameter in Parameters::new(parameters, Quoting::Percent) {
            let (key, value) = parameter.ok()?;
            let slot = match key.to_ascii_lowercase().as_str() {
                "name" => &mut name,
                "name*" => &mut name_star,
                "filename" => &mut file,
                "filename*" => &mut file_star,
                _ => continue,
            };
            slot.get_or_insert(value);
        }
        let unstarred = |starred: Option<Cow<'_, str>>| starred.and_then(|text| extended(&text));
        let is_file = file.is_some() || file_star.is_some();
        let is_unchosen = file.as_deref() == Some("") && file_star.is_none();
        let file = unstarred(file_star).or(file.map(Cow::into_owned));
        Some(Self {
            name: unstarred(name_star).or(name.map(Cow::into_owned))?,
            is_unchosen,
            file_name: (is_file && !is_unchosen)
                .then(|| files::clean(file.as_deref().unwrap_or_default())),
            media_type: None,
        })
    }
}

/// A text with its encoding in front, `utf-8'en'%E2%82%AC`: RFC 8187, 3.2.
fn extended(text: &str) -> Option<String> {
    let (charset, rest) = text.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    let bytes = percent_decode_str(encoded);
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" | "us-ascii" => bytes.decode_utf8().ok().map(Cow::into_owned),
        "iso-8859-1" => Some(bytes.map(char::from).collect()),
        _ => None,
    }
}

fn is_media_type(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(disposition: &str) -> Option<(String, Option<String>)> {
        Head::parse(disposition).map(|head| (head.name, head.file_name))
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
            ("form-data; name=a; filename*=UTF-8''b", "a", Some("b")),
            (
                "form-data; name=a; filename*=utf-8'en'%e2%82%ac%20b.txt",
                "a",
                Some("€ b.txt"),
            ),
            (
                "form-data; name=a; filename=\"x\"; filename*=\"UTF-8''%C3%BC.txt\"",
                "a",
                Some("ü.txt"),
            ),
            (
                "form-data; name=a; FILENAME*=iso-8859-1''%FC.txt; filename=x",
                "a",
                Some("ü.txt"),
            ),
            (
                "form-data; name=a; filename*=utf-8''%ff; filename=x",
                "a",
                Some("x"),
            ),
            (
                "form-data; name=a; filename*=utf-16''x",
                "a",
                Some("unnamed"),
            ),
            ("form-data; name=a; filename*=x", "a", Some("unnamed")),
            ("form-data; name=a; filename*=utf8''%C3%BC", "a", Some("ü")),
            ("form-data; name=a; filename*=US-ASCII''b", "a", Some("b")),
            (
                "form-data; name=a; filename*=utf-8''..%2f..%2fx",
                "a",
                Some("x"),
            ),
            ("form-data; name*=utf-8''%C3%BC", "ü", None),
            ("form-data; name=a; filename=\"C:\\\"", "a", Some("unnamed")),
            (
                "form-data; filename=\"C:\\\"; name=\"a\\\"",
                "a\\",
                Some("unnamed"),
            ),
            ("form-data; name=\"a%22b%0D%0Ac%41\"", "a\"b\r\nc%41", None),
            (
                "form-data; name=\"a\"; filename=\"x%22y.txt\"",
                "a",
                Some("x_y.txt"),
            ),
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
            "form-data; name=a; filename=\"",
            ";;;",
            "=",
        ] {
            assert_eq!(parse(disposition), None, "{disposition}");
        }
    }

    #[test]
    fn a_file_that_was_not_chosen_is_told_from_an_empty_field() {
        let unchosen = |text| Head::parse(text).unwrap().is_unchosen;
        assert!(unchosen("form-data; name=a; filename=\"\""));
        assert!(!unchosen("form-data; name=a"));
    }
}
