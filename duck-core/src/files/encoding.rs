//! Encodings a file may lie beside itself in: `site.css.br`, `site.css.gz`.

use http::HeaderMap;

use crate::http::coding::{Coding, Codings};

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
