//! Encodings a file may lie beside itself in (`site.css.br`, `site.css.gz`), and for which files that is worth it.

use http::HeaderMap;

use crate::http::coding::{Coding, Codings};
#[cfg(any(feature = "collectstatic", feature = "compression"))]
use crate::http::parameters::essence;

/// Those that the client takes, the smaller one first.
pub(super) fn accepted(headers: &HeaderMap) -> impl Iterator<Item = Coding> {
    let codings = Codings::of(headers);
    let all = [Coding::Brotli, Coding::Gzip];
    all.into_iter()
        .filter(move |coding| codings.quality(*coding) > 0)
}

/// The end of such a file's name.
pub(super) fn suffix(coding: Coding) -> &'static str {
    match coding {
        Coding::Brotli => ".br",
        Coding::Gzip => ".gz",
    }
}

/// Whether what is of this media type becomes much smaller. Most pictures, fonts and films are compressed already.
#[cfg(any(feature = "collectstatic", feature = "compression"))]
pub(crate) fn shrinks(media_type: &str) -> bool {
    let kind = essence(media_type);
    let (first, second) = kind.split_once('/').unwrap_or_default();
    let ends = ["+json", "+xml", "+text"];
    match first {
        "text" => true,
        "application" => {
            matches!(
                second,
                "json" | "javascript" | "xml" | "wasm" | "x-ndjson" | "rtf"
            ) || ends.iter().any(|end| second.ends_with(end))
        }
        "image" => matches!(second, "svg+xml" | "bmp" | "vnd.microsoft.icon" | "x-icon"),
        "font" => matches!(second, "ttf" | "otf"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header;

    use super::*;
    use crate::http::coding::Coding::{Brotli, Gzip};

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
            let accepted: Vec<_> = accepted(&headers).collect();
            assert_eq!(accepted, expected, "{value}");
        }
        assert_eq!(accepted(&HeaderMap::new()).count(), 0);
    }
}
