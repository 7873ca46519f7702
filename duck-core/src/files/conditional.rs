//! Conditional requests: RFC 9110, 13.

use std::time::{Duration, SystemTime};

use http::header::{self, AsHeaderName, HeaderMap, HeaderValue};

use super::encoding::Encoding;
use super::etag::ETag;
use super::open::OpenFile;
use crate::http::response::Response;

/// A file that is younger may change again without its date showing it.
const SETTLED: Duration = Duration::from_secs(2);

/// What says which state of a file it is.
#[derive(Debug, Default)]
pub(super) struct Validators {
    etag: Option<ETag>,
    modified: Option<SystemTime>,
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
    pub(super) fn of(file: &OpenFile, encoding: Option<Encoding>) -> Self {
        let Some(modified) = file.modified else {
            return Self::default();
        };
        let age = SystemTime::now().duration_since(modified);
        let strong = age.is_ok_and(|age| age >= SETTLED);
        let kind = encoding.map_or("", Encoding::suffix);
        Self {
            etag: Some(ETag::new(file.length, modified, kind, !strong)),
            modified: Some(modified),
            strong,
        }
    }

    /// `ETag` and `Last-Modified` of the response.
    pub(super) fn describe(&self, mut response: Response) -> Response {
        if let Some(etag) = &self.etag {
            response = response.with(header::ETAG, etag.header());
        }
        if let Some(modified) = self.modified {
            let date = HeaderValue::try_from(httpdate::fmt_http_date(modified));
            response = response.with(header::LAST_MODIFIED, date.expect("a date is ASCII"));
        }
        response
    }

    /// The conditions of a `GET` or `HEAD`, in the order of RFC 9110, 13.2.2.
    pub(super) fn verdict(&self, headers: &HeaderMap) -> Verdict {
        let held = match self.is_listed(headers, header::IF_MATCH, ETag::is_strongly) {
            Some(listed) => listed,
            None => self.is_older(headers, header::IF_UNMODIFIED_SINCE) != Some(false),
        };
        if !held {
            return Verdict::Changed;
        }
        let had = match self.is_listed(headers, header::IF_NONE_MATCH, ETag::is_weakly) {
            Some(listed) => listed,
            None => self.is_older(headers, header::IF_MODIFIED_SINCE) == Some(true),
        };
        if had {
            Verdict::NotModified
        } else {
            Verdict::Send
        }
    }

    /// Whether a range is to be cut from this state of the file: `If-Range`, RFC 9110, 13.1.5.
    pub(super) fn are_those_of_range(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(header::IF_RANGE) else {
            return true;
        };
        let Some(tag) = value.to_str().ok().filter(|_| self.strong) else {
            return false;
        };
        match httpdate::parse_http_date(tag) {
            Ok(date) => self.modified.map(seconds) == Some(seconds(date)),
            Err(_) => self.etag.as_ref().is_some_and(|etag| etag.is_strongly(tag)),
        }
    }

    /// Whether the file's tag is in a list of them; `None` where there is no list.
    fn is_listed(
        &self,
        headers: &HeaderMap,
        name: impl AsHeaderName,
        compare: fn(&ETag, &str) -> bool,
    ) -> Option<bool> {
        let mut lists = headers.get_all(name).iter().peekable();
        lists.peek()?;
        // A tag may have a comma in it. Ours have none, so that the halves of such match nothing.
        Some(
            lists
                .filter_map(|list| list.to_str().ok())
                .flat_map(|list| list.split(','))
                .map(str::trim)
                .any(|tag| tag == "*" || self.etag.as_ref().is_some_and(|etag| compare(etag, tag))),
        )
    }

    /// Whether the file has not changed since a header's date; `None` without a date to compare.
    fn is_older(&self, headers: &HeaderMap, name: impl AsHeaderName) -> Option<bool> {
        let date = httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()?;
        Some(seconds(self.modified?) <= seconds(date))
    }
}

/// As exact as a date in a header is.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const TAG: &str = "\"10-75b3a0a8bd5bbbf\"";

    /// A file with the tag and the date above.
    fn validators() -> Validators {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_nanos(0x075b_3a0a_8bd5_bbbf);
        let date = httpdate::parse_http_date(DATE).unwrap();
        Validators {
            etag: Some(ETag::new(16, modified, "", false)),
            modified: Some(date + Duration::from_millis(500)),
            strong: true,
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (
                header::HeaderName::from_static(name),
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
            (&[("if-unmodified-since", DATE)], Send),
            (&[("if-unmodified-since", BEFORE)], Changed),
            (&[("if-unmodified-since", "yesterday")], Send),
            (&[("if-match", TAG), ("if-unmodified-since", BEFORE)], Send),
            (&[("if-match", TAG), ("if-none-match", TAG)], NotModified),
        ] {
            assert_eq!(validators().verdict(&headers(pairs)), expected, "{pairs:?}");
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
            ("*", false),
        ] {
            let headers = headers(&[("if-range", value)]);
            assert_eq!(
                validators().are_those_of_range(&headers),
                expected,
                "{value}"
            );
        }
        let fresh = Validators {
            strong: false,
            ..validators()
        };
        assert!(!fresh.are_those_of_range(&headers(&[("if-range", DATE)])));
        assert!(fresh.are_those_of_range(&headers(&[])));
    }

    #[test]
    fn a_file_without_a_date_is_never_taken_for_another() {
        let none = Validators::default();
        assert_eq!(
            none.verdict(&headers(&[("if-none-match", "\"\"")])),
            Verdict::Send
        );
        assert_eq!(
            none.verdict(&headers(&[("if-modified-since", DATE)])),
            Verdict::Send
        );
        assert_eq!(
            none.verdict(&headers(&[("if-match", "\"\"")])),
            Verdict::Changed
        );
        assert!(!none.are_those_of_range(&headers(&[("if-range", DATE)])));
    }
}
