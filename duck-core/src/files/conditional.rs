//! Conditional requests: RFC 9110, 13.

use std::time::{Duration, SystemTime};

use headers::{
    ETag, Header, HeaderMapExt, IfMatch, IfModifiedSince, IfNoneMatch, IfRange, IfUnmodifiedSince,
    LastModified,
};
use http::header::{self, HeaderMap, HeaderValue};

use super::encoding;
use super::open::OpenFile;
use crate::http::coding::Coding;
use crate::http::response::Response;

/// A file that is younger may change again without its date showing it.
const SETTLED: Duration = Duration::from_secs(2);

/// What says which state of a file it is. A file whose date is not known has none.
#[derive(Debug)]
pub(super) struct Validators {
    etag: ETag,
    modified: SystemTime,
    /// Whether its bytes can be told from those of any other state.
    strong: bool,
}

/// What comes of a request's conditions.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They hold, or there are none.
    Send,
    /// The client has it already.
    NotModified,
    /// The client means another state of it.
    Changed,
}

impl Validators {
    pub(super) fn of(file: &OpenFile, encoding: Option<Coding>) -> Option<Self> {
        let modified = file.modified?;
        let age = SystemTime::now().duration_since(modified);
        let strong = age.is_ok_and(|age| age >= SETTLED);
        let kind = encoding.map_or("", encoding::suffix);
        Some(Self {
            etag: etag(file.length, modified, kind, strong),
            modified,
            strong,
        })
    }

    /// `ETag` and `Last-Modified` of the response.
    pub(super) fn describe(&self, response: &mut Response) {
        let headers = response.headers_mut();
        headers.typed_insert(self.etag.clone());
        headers.typed_insert(LastModified::from(self.modified));
    }
}

/// The tag of a file by its length and date. `kind` tells the encodings of one file apart.
fn etag(length: u64, modified: SystemTime, kind: &str, strong: bool) -> ETag {
    let date = modified
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_nanos();
    let weak = if strong { "" } else { "W/" };
    let tag = format!("{weak}\"{length:x}-{date:x}{kind}\"");
    tag.parse().expect("hexadecimal digits in quotes are a tag")
}

/// The conditions of a `GET` or `HEAD`, in the order of RFC 9110, 13.2.2.
pub(super) fn verdict(of: Option<&Validators>, headers: &HeaderMap) -> Verdict {
    let held = if headers.contains_key(header::IF_MATCH) {
        with_tags::<IfMatch>(headers).is_some_and(|list| {
            list.is_any() || of.is_some_and(|of| list.precondition_passes(&of.etag))
        })
    } else {
        with_date::<IfUnmodifiedSince>(headers, of)
            .is_none_or(|(since, modified)| since.precondition_passes(modified))
    };
    if !held {
        return Verdict::Changed;
    }
    let had = if headers.contains_key(header::IF_NONE_MATCH) {
        with_tags::<IfNoneMatch>(headers).is_some_and(|list| {
            list == IfNoneMatch::any() || of.is_some_and(|of| !list.precondition_passes(&of.etag))
        })
    } else {
        with_date::<IfModifiedSince>(headers, of)
            .is_some_and(|(since, modified)| !since.is_modified(modified))
    };
    if had {
        Verdict::NotModified
    } else {
        Verdict::Send
    }
}

/// Whether a range is to be cut from this state of the file: `If-Range`, RFC 9110, 13.1.5.
pub(super) fn may_cut(of: Option<&Validators>, headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::IF_RANGE) {
        return true;
    }
    let condition = with_tags::<IfRange>(headers);
    let Some((condition, of)) = condition.zip(of).filter(|(_, of)| of.strong) else {
        return false;
    };
    // `is_modified` takes every later date for this state of the file; the standard wants its very date.
    condition == IfRange::date(of.modified) || !condition.is_modified(Some(&of.etag), None)
}

/// A header that holds tags; `None` where it cannot be read.
fn with_tags<T: Header>(headers: &HeaderMap) -> Option<T> {
    let mut values = headers.get_all(T::name()).iter();
    values.all(has_whole_tags).then(|| headers.typed_get())?
}

/// Whether all quotes are closed, and no blank is between them: no tag has one, and in a debug build the
/// parser panics at it.
fn has_whole_tags(value: &HeaderValue) -> bool {
    let parts: Vec<_> = value.as_bytes().split(|byte| *byte == b'"').collect();
    let mut quoted = parts.iter().skip(1).step_by(2);
    parts.len() % 2 == 1 && quoted.all(|tag| !tag.contains(&b' ') && !tag.contains(&b'\t'))
}

/// A header that is a date, and what it is compared with.
fn with_date<T: Header>(headers: &HeaderMap, of: Option<&Validators>) -> Option<(T, SystemTime)> {
    headers.typed_get().zip(of.map(|of| of.modified))
}

#[cfg(test)]
mod tests {
    use http::header::HeaderName;

    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const TAG: &str = "\"10-75b3a0a8bd5bbbf\"";

    /// A file with the tag and the date above.
    fn validators() -> Validators {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_nanos(0x075b_3a0a_8bd5_bbbf);
        let date = httpdate::parse_http_date(DATE).unwrap();
        Validators {
            etag: etag(16, modified, "", true),
            modified: date + Duration::from_millis(500),
            strong: true,
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn conditions_are_judged_in_order() {
        use Verdict::{Changed, NotModified, Send};
        let weak = format!("W/{TAG}");
        let several = format!("\"a\", {TAG}");
        for (pairs, expected) in [
            (&[][..], Send),
            (&[("if-none-match", TAG)], NotModified),
            (&[("if-none-match", &weak)], NotModified),
            (&[("if-none-match", &several)], NotModified),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"a\"")], Send),
            (
                &[("if-none-match", "\"a\""), ("if-none-match", TAG)],
                NotModified,
            ),
            // The tag stands over the date, in both directions.
            (
                &[("if-none-match", "\"a\""), ("if-modified-since", DATE)],
                Send,
            ),
            (
                &[("if-none-match", TAG), ("if-modified-since", BEFORE)],
                NotModified,
            ),
            (&[("if-modified-since", DATE)], NotModified),
            (&[("if-modified-since", BEFORE)], Send),
            (&[("if-modified-since", "yesterday")], Send),
            (&[("if-match", TAG)], Send),
            (&[("if-match", "*")], Send),
            (&[("if-match", "\"a\"")], Changed),
            (&[("if-match", &weak)], Changed),
            (&[("if-match", "")], Changed),
            // No tags: RFC 9110, 8.8.3.
            (&[("if-match", "\"a b\"")], Changed),
            (&[("if-none-match", "\"a\tb\"")], Send),
            (&[("if-none-match", "\""), ("if-none-match", "\"")], Send),
            (&[("if-none-match", "\"a,b\", W/\"c\"")], Send),
            (&[("if-unmodified-since", DATE)], Send),
            (&[("if-unmodified-since", BEFORE)], Changed),
            (&[("if-unmodified-since", "yesterday")], Send),
            (&[("if-match", TAG), ("if-unmodified-since", BEFORE)], Send),
            (&[("if-match", TAG), ("if-none-match", TAG)], NotModified),
        ] {
            assert_eq!(
                verdict(Some(&validators()), &headers(pairs)),
                expected,
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn a_range_needs_the_very_same_file() {
        let weak = format!("W/{TAG}");
        for (value, expected) in [
            (TAG, true),
            (&weak, false),
            ("\"a\"", false),
            ("", false),
            (DATE, true),
            (BEFORE, false),
            // Later than the file.
            ("Sun, 06 Nov 1994 08:49:38 GMT", false),
            ("*", false),
            ("\"a b\"", false),
        ] {
            let headers = headers(&[("if-range", value)]);
            assert_eq!(may_cut(Some(&validators()), &headers), expected, "{value}");
        }
        let fresh = Validators {
            strong: false,
            ..validators()
        };
        assert!(!may_cut(Some(&fresh), &headers(&[("if-range", DATE)])));
        assert!(may_cut(Some(&fresh), &headers(&[])));
        // A weak tag is no tag of the very same file.
        let weak = Validators {
            etag: etag(16, SystemTime::UNIX_EPOCH, "", false),
            ..validators()
        };
        for (name, expected) in [
            ("if-match", Verdict::Changed),
            ("if-none-match", Verdict::NotModified),
        ] {
            let headers = headers(&[(name, "\"10-0\"")]);
            assert_eq!(verdict(Some(&weak), &headers), expected, "{name}");
        }
    }

    #[test]
    fn a_file_without_a_date_is_never_taken_for_another() {
        assert_eq!(
            verdict(None, &headers(&[("if-none-match", "\"\"")])),
            Verdict::Send
        );
        assert_eq!(
            verdict(None, &headers(&[("if-modified-since", DATE)])),
            Verdict::Send
        );
        assert_eq!(
            verdict(None, &headers(&[("if-match", "\"\"")])),
            Verdict::Changed
        );
        assert!(!may_cut(None, &headers(&[("if-range", DATE)])));
    }
}
