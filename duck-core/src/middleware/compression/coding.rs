use ::http::header::{self, HeaderMap, HeaderValue};

use crate::http::accept::thousandths;

/// Items of `Accept-Encoding` that are looked at.
const MOST_ITEMS: usize = 32;

/// A content coding. The better one is the greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Coding {
    Gzip,
    Brotli,
}

impl Coding {
    /// The one that the client likes best: RFC 9110, 12.5.3. `None` where it takes neither, or likes the
    /// page as it is better.
    pub(super) fn chosen(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(header::ACCEPT_ENCODING).iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        let items = texts.flat_map(|text| text.split(',')).filter_map(item);
        let items: Vec<(&str, u16)> = items.take(MOST_ITEMS).collect();
        let quality = |names: &[&str]| {
            let is =
                |item: &&(&str, u16)| names.iter().any(|name| item.0.eq_ignore_ascii_case(name));
            items.iter().find(is).map(|(_, quality)| *quality)
        };
        let others = quality(&["*"]);
        let gzip = quality(&["gzip", "x-gzip"]).or(others);
        let brotli = quality(&["br"]).or(others);
        let codings = [(gzip, Self::Gzip), (brotli, Self::Brotli)];
        let best = codings.into_iter().max()?;
        // That the page may come as it is goes without saying, so it says little.
        let as_it_is = quality(&["identity"]).unwrap_or(0);
        let quality = best
            .0
            .filter(|quality| *quality > 0 && *quality >= as_it_is);
        quality.map(|_| best.1)
    }

    /// As `Content-Encoding` has it.
    pub(super) fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        })
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

#[cfg(test)]
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
            assert_eq!(Coding::chosen(&headers), expected, "{value}");
        }
        assert_eq!(Coding::chosen(&HeaderMap::new()), None);
        let long = "a,".repeat(MOST_ITEMS) + "gzip";
        let value = HeaderValue::try_from(long).unwrap();
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]);
        assert_eq!(
            Coding::chosen(&headers),
            None,
            "a list without end is read to a bound"
        );
    }
}
