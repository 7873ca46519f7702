//! What visitors uploaded, sent so that it cannot do anything.

use http::{HeaderValue, header};

use crate::http::response::Response;

/// The types that are shown. A browser that is given one of them, and does not guess, runs nothing.
fn shown(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wav" => "audio/wav",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

pub(super) fn media_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(shown(name).unwrap_or("application/octet-stream"))
}

/// Takes its rights from a response. Its type is [`media_type`]'s, and browsers do not guess another
/// one: that header is on every file.
pub(super) fn guard(response: Response, name: &str) -> Response {
    let policy = HeaderValue::from_static("sandbox; default-src 'none'");
    let response = response.with(header::CONTENT_SECURITY_POLICY, policy);
    match shown(name) {
        Some(_) => response,
        None => response.download(name),
    }
}
