//! What a client takes: the `Accept` header (RFC 9110, 12.5.1).

use http::header::{self, HeaderMap};

/// Ranges that are looked at. No client sends as many, and each is compared with each form on offer.
const MOST_RANGES: usize = 64;

/// The media ranges of a request. Without the header, everything is taken.
#[derive(Debug)]
pub(crate) struct Accept<'a>(Option<Vec<Range<'a>>>);

/// `text/html;q=0.8`
#[derive(Debug)]
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// In thousandths, as the standard has no more digits.
    quality: u16,
}

/// How well a media type suits a client. Of two, the greater one suits better: first by quality, then
/// by how exactly the type is named, then by what is named first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Liking {
    quality: u16,
    exactness: u8,
    from_last: usize,
}

impl Liking {
    /// Whether the client named the type, or at least its kind: `*/*` names nothing.
    pub(crate) fn is_named(self) -> bool {
        self.exactness > 0
    }
}

impl<'a> Accept<'a> {
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        if !headers.contains_key(header::ACCEPT) {
            return Self(None);
        }
        let values = headers.get_all(header::ACCEPT).into_iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        let ranges = texts.flat_map(|text| pieces(text, ',')).filter_map(range);
        Self(Some(ranges.take(MOST_RANGES).collect()))
    }

    /// Whether the client takes this media type.
    pub(crate) fn takes(&self, media_type: &str) -> bool {
        self.0.is_none() || self.liking(media_type).is_some()
    }

    /// How well this media type suits; `None` where the client does not take it, or said nothing. The
    /// most exact range that fits decides, and a quality of zero refuses.
    pub(crate) fn liking(&self, media_type: &str) -> Option<Liking> {
        let (kind, subtype) = media_type.split_once('/')?;
        let ranges = self.0.as_deref()?;
        let likings = ranges
            .iter()
            .rev()
            .enumerate()
            .filter_map(|(from_last, range)| {
                Some(Liking {
                    quality: range.quality,
                    exactness: range.exactness(kind, subtype)?,
                    from_last,
                })
            });
        let most_exact = likings.max_by_key(|liking| (liking.exactness, liking.from_last));
        most_exact.filter(|liking| liking.quality > 0)
    }
}

impl Range<'_> {
    /// How exactly it names a type; `None` where it names another one.
    fn exactness(&self, kind: &str, subtype: &str) -> Option<u8> {
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (named, "*") if named.eq_ignore_ascii_case(kind) => Some(1),
            (named, sub)
                if named.eq_ignore_ascii_case(kind) && sub.eq_ignore_ascii_case(subtype) =>
            {
                Some(2)
            }
            _ => None,
        }
    }
}

/// What is no media range is passed over, and so is one with a quality that is none.
fn range(text: &str) -> Option<Range<'_>> {
    let mut pieces = pieces(text, ';').map(str::trim);
    let (kind, subtype) = pieces.next()?.split_once('/')?;
    let mut quality = 1000;
    for piece in pieces {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        if name.trim().eq_ignore_ascii_case("q") {
            quality = thousandths(value.trim())?;
        }
    }
    Some(Range {
        kind,
        subtype,
        quality,
    })
}

/// `0.85` is 850: RFC 9110, 12.4.2. More digits than three are read and not counted.
pub(crate) fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(whole, "0" | "1") || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    let fraction = digits.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    Some((u16::from(whole == "1") * 1000 + fraction).min(1000))
}

/// The pieces between separators that do not stand in quotes.
fn pieces(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut in_quotes, mut is_escaped) = (false, false);
    text.split(move |character| {
        let (was_in_quotes, was_escaped) = (in_quotes, is_escaped);
        is_escaped = was_in_quotes && !was_escaped && character == '\\';
        in_quotes ^= character == '"' && !was_escaped;
        character == separator && !was_in_quotes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &str) -> HeaderMap {
        let value = http::HeaderValue::from_str(value).unwrap();
        HeaderMap::from_iter([(header::ACCEPT, value)])
    }

    fn best<'a>(value: &str, offers: &[&'a str]) -> Option<&'a str> {
        let headers = accept(value);
        let accept = Accept::of(&headers);
        let likings = offers.iter().map(|offer| (accept.liking(offer), *offer));
        let best = likings.filter(|(liking, _)| liking.is_some()).max()?;
        Some(best.1)
    }

    #[test]
    fn quality_comes_before_exactness_and_exactness_before_order() {
        let offers = ["text/html", "application/json"];
        assert_eq!(
            best("text/html, application/json", &offers),
            Some("text/html")
        );
        assert_eq!(
            best("text/html;q=0.8, application/json;q=0.9", &offers),
            Some("application/json")
        );
        assert_eq!(
            best("text/html;q=0.8, */*", &offers),
            Some("application/json")
        );
        assert_eq!(
            best("text/*, application/json", &offers),
            Some("application/json")
        );
        assert_eq!(
            best("text/html;q=1.0, application/json;q=1.5", &offers),
            Some("text/html")
        );
        assert_eq!(best("image/png", &offers), None);
    }

    #[test]
    fn a_list_without_end_is_read_to_a_bound() {
        let long = "a/b,".repeat(MOST_RANGES) + "text/html";
        assert!(!Accept::of(&accept(&long)).takes("text/html"));
    }
}
