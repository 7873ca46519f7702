//! What visitors uploaded, sent so that it cannot do anything.

use std::path::PathBuf;

use http::{HeaderValue, header};

use super::folder::{Files, Folder, pattern};
use super::root::Root;
use crate::http::response::Response;
use crate::routing::urls::UrlPattern;

/// The files of a folder that visitors upload to, under one URL.
///
/// Nothing in it can act as a page of the site. Pictures (PNG, JPEG, GIF, WebP, AVIF), sound and films
/// (MP3, Ogg, WAV, MP4, `WebM`) and plain text are shown, by the ending of their name; everything else, HTML, SVG,
/// XML, scripts and PDF among it, is a [download](Response::download). Browsers are told not to guess types
/// (`X-Content-Type-Options: nosniff`), and to treat whatever they show as a page without rights
/// (`Content-Security-Policy: sandbox`). Files that lie compressed beside others are files of their own. A
/// browser asks each time whether a file has changed.
///
/// In all else it is as a [`static_folder`](crate::files::static_folder): relative folders, links, hidden files, ranges.
/// Everybody may have the files who knows their URLs, unless a
/// [middleware](UrlPattern::middleware) says otherwise.
///
/// ```
/// # use duck::testing::TestClient;
/// use duck::files::media_folder;
/// use duck::{App, Settings};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let folder = tempfile::tempdir().unwrap();
/// # std::fs::create_dir(folder.path().join("media")).unwrap();
/// # std::fs::write(folder.path().join("media/evil.html"), "<script>…").unwrap();
/// # let settings = Settings::default().in_folder(folder.path());
/// let app = App::new(settings).urls([media_folder("/media/", "media").name("media")]);
/// let page = TestClient::start(app).await.get("/media/evil.html").await;
/// assert_eq!(page.header("content-type"), Some("application/octet-stream"));
/// assert_eq!(page.header("content-disposition"), Some("attachment; filename=\"evil.html\""));
/// # }
/// ```
pub fn media_folder(url: &str, folder: impl Into<PathBuf>) -> UrlPattern {
    let folder = folder.into();
    pattern(url, move |settings| {
        Folder::new(Root::new(&folder, settings)?, Files::Media, settings)
    })
}

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
