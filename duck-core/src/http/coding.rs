//! How a body is encoded, and what a client takes: RFC 9110, 8.4.1 and 12.5.3.

use ::http::header::{self, HeaderMap, HeaderValue};

use smallvec::SmallVec;

use crate::http::accept::thousandths;

/// Items of `Accept-Encoding` that are looked at.
const MOST_ITEMS: usize = 32;

/// A content coding. The better one is the greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Coding {
    Gzip,
    Brotli,
}

impl Coding {
    /// As `Content-Encoding` has it.
    pub(crate) fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        })
    }
}

/// What a client takes, and how much it likes it, in thousandths.
pub(crate) struct Codings<'a>(SmallVec<[(&'a str, u16); 8]>);

impl<'a> Codings<'a> {
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT_ENCODING).iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        let items = texts.flat_map(|text| text.split(',')).filter_map(item);
        Self(items.take(MOST_ITEMS).collect())
    }

    /// 0 where the client does not take it. Its name decides over the star.
    pub(crate) fn quality(&self, coding: Coding) -> u16 {
        let names: &[&str] = match coding {
            Coding::Gzip => &["gzip", "x-gzip"],
            Coding::Brotli => &["br"],
        };
        let quality = self.named(names).or_else(|| self.named(&["*"]));
        quality.unwrap_or(0)
    }

    /// The one that the client likes best. `None` where it takes neither, or likes the page as it is better.
    #[cfg(feature = "compression")]
    pub(crate) fn best(&self) -> Option<Coding> {
        let qualities = [Coding::Gzip, Coding::Brotli].map(|coding| (self.quality(coding), coding));
        // That the page may come as it is goes without saying, so it says little.
        let as_it_is = self.named(&["identity"]).unwrap_or(0);
        let best = qualities.into_iter().max()?;
        (best.0 > 0 && best.0 >= as_it_is).then_some(best.1)
    }

    fn named(&self, names: &[&str]) -> Option<u16> {
        let is = |item: &&(&str, u16)| names.iter().any(|name| item.0.eq_ignore_ascii_case(name));
        self.0.iter().find(is).map(|(_, quality)| *quality)
    }
}

/// `gzip;q=0.5`. One with a weight that is none is passed over.
fn item(text: &str) -> Option<(&str, u16)> {
    let (name, parameter) = text.split_once(';').unwrap_or((text, ""));
    let quality = match parameter.trim().split_once('=') {
        Some((q, weight)) if q.trim().eq_ignore_ascii_case("q") => thousandths(weight.trim())?,
        _ => 1000,
    };
    Some((name.trim(), quality)).filter(|(name, _)| !name.is_empty())
}

#[cfg(all(test, feature = "compression"))]
mod tests {
    use super::Coding::{Brotli, Gzip};
    use super::*;

    #[test]
    fn weights_decide_and_brotli_where_they_are_the_same() {
        for (value, expected) in [
            ("gzip, deflate, br, zstd", Some(Brotli)),
            ("gzip", Some(Gzip)),
            ("X-GZIP", Some(Gzip)),
            ("BR", Some(Brotli)),
            ("gzip;q=1.0, br;q=0.9", Some(Gzip)),
            ("br;q=0, gzip", Some(Gzip)),
            ("br;q=0.000, gzip;q=0", None),
            ("*", Some(Brotli)),
            ("*;q=0", None),
            ("br;q=0, *", Some(Gzip)),
            ("gzip, *;q=0", Some(Gzip)),
            ("identity", None),
            ("identity;q=1, gzip;q=0.5", None),
            ("identity;q=0.5, gzip;q=1", Some(Gzip)),
            ("identity;q=0, gzip;q=0.1", Some(Gzip)),
            ("deflate", None),
            ("gzip;q=2", None),
            ("gzip;q=nan, br;q=", None),
            ("gzip; Q = 0.5", Some(Gzip)),
            ("gzipped", None),
            ("", None),
            (";;,=,q", None),
        ] {
            let value_of = HeaderValue::from_static(value);
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value_of)]);
            assert_eq!(Codings::of(&headers).best(), expected, "{value}");
        }
        assert_eq!(Codings::of(&HeaderMap::new()).best(), None);
        let long = "a,".repeat(MOST_ITEMS) + "gzip";
        let value = HeaderValue::try_from(long).unwrap();
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]);
        assert_eq!(
            Codings::of(&headers).best(),
            None,
            "a list without end is read to a bound"
        );
    }
}
