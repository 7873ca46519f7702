//! Encodings a file may lie beside itself in: `site.css.br`, `site.css.gz`.

use http::header::{self, HeaderMap, HeaderValue};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Brotli,
    Gzip,
}

impl Encoding {
    /// The smaller one first.
    const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    /// Those that the client takes, best first: RFC 9110, 12.5.3.
    pub(super) fn accepted(headers: &HeaderMap) -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(move |encoding| encoding.is_accepted(headers))
    }

    fn is_accepted(self, headers: &HeaderMap) -> bool {
        let codings = headers
            .get_all(header::ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        let named = codings.filter_map(|coding| self.weigh(coding));
        // The name decides over the star.
        named.max().is_some_and(|(_, taken)| taken)
    }

    /// Whether one of the codings is about this one by its name, and whether it takes it.
    fn weigh(self, coding: &str) -> Option<(bool, bool)> {
        let (name, parameter) = coding.split_once(';').unwrap_or((coding, ""));
        let named = match name.trim() {
            "*" => false,
            name if name.eq_ignore_ascii_case(self.as_str()) => true,
            _ => return None,
        };
        let weight = parameter.trim().to_ascii_lowercase();
        let refused = weight
            .strip_prefix("q=")
            .is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0));
        Some((named, !refused))
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// As `Content-Encoding` has it.
    pub(super) fn name(self) -> HeaderValue {
        HeaderValue::from_static(self.as_str())
    }

    /// The end of such a file's name.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Encoding::{Brotli, Gzip};
    use super::*;

    #[test]
    fn weights_of_zero_refuse() {
        for (value, expected) in [
            ("gzip, deflate, br, zstd", &[Brotli, Gzip][..]),
            ("GZIP", &[Gzip]),
            ("gzip;q=0.5", &[Gzip]),
            ("br;q=0, gzip", &[Gzip]),
            ("br; Q=0.000", &[]),
            ("*", &[Brotli, Gzip]),
            ("*, br;q=0", &[Gzip]),
            ("br, *;q=0", &[Brotli]),
            ("identity", &[]),
            ("", &[]),
            (";;,=,q", &[]),
        ] {
            let headers =
                HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            let accepted: Vec<_> = Encoding::accepted(&headers).collect();
            assert_eq!(accepted, expected, "{value}");
        }
        assert_eq!(Encoding::accepted(&HeaderMap::new()).count(), 0);
    }
}
