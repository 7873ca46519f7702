//! A folder of files under one URL.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};

use super::encoding;
use super::manifest::{Manifest, is_hashed};
use super::open::OpenFile;
use super::root::{Root, relative};
use super::{media, media_type, respond};
use crate::BoxFuture;
use crate::error::{Error, Result};
use crate::http::coding::Coding;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::routing::urls::UrlPattern;
use crate::routing::view::View;
use crate::settings::{Seconds, Settings};

/// Where an older copy will never do for a newer one, or the other way round.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The files of a folder of the site's own, and of those in it, under one URL.
///
/// A relative folder counts from that of the settings file; it need not be there yet. Files are sent as
/// [`file`](crate::files::file) sends them. `STATIC_CACHE_AGE` says for how many seconds browsers use a file
/// without asking again; without it they ask each time.
///
/// What is not a regular file inside the folder is a 404: folders themselves (there are no
/// listings), names that begin with a dot, and links that lead out.
///
/// ```
/// use duck::{App, Settings};
/// use duck::files::static_folder;
///
/// let app = App::new(Settings::default()).urls([static_folder("/manual/", "manual").name("manual")]);
/// ```
///
/// Its URLs are made with the path inside the folder: `request.url("manual", ["a/b.html"])`.
/// A page of HTML in it is a page of your site: what visitors uploaded belongs in a
/// [`media_folder`](crate::files::media_folder).
///
/// A folder that holds the settings file stops the site from starting: it would be sent too.
pub fn static_folder(url: &str, folder: impl Into<PathBuf>) -> UrlPattern {
    let folder = folder.into();
    pattern(url, move |settings| {
        Folder::new(Root::new(&folder, settings)?, Files::AsTheyAre, settings)
    })
}

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

/// The URL pattern of a folder that is made when the site starts.
pub(super) fn pattern(
    url: &str,
    folder: impl FnOnce(&Settings) -> Result<Folder> + Send + Sync + 'static,
) -> UrlPattern {
    let url = url.trim_end_matches('/');
    UrlPattern::from_settings(format!("{url}/<path:path>"), folder)
}

/// A folder that is served: a view whose parameter is the path in the folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: Root,
    files: Files,
    caching: HeaderValue,
}

/// What lies in a folder.
#[derive(Debug, Clone)]
pub(super) enum Files {
    /// The site's own files.
    AsTheyAre,
    /// The site's own files, which may lie compressed beside themselves.
    Compressed,
    /// What `collectstatic` wrote.
    Collected(Arc<Manifest>),
    /// What visitors uploaded.
    Media,
}

impl View<(String,)> for Folder {
    type Future = BoxFuture<'static, Result<Response>>;

    fn call(&self, request: Request, (path,): (String,)) -> Self::Future {
        let folder = self.clone();
        Box::pin(async move {
            // A slash that was sent encoded is part of a name, and no file has such a name.
            if has_encoded_slash(request.path()) || relative(&path).is_none() {
                return Err(Error::not_found("that names no file of a served folder"));
            }
            tokio::task::spawn_blocking(move || folder.answer(&request, &path)).await?
        })
    }
}

fn has_encoded_slash(path: &str) -> bool {
    path.to_ascii_lowercase().contains("%2f")
}

impl Folder {
    pub(super) fn new(root: Root, files: Files, settings: &Settings) -> Result<Self> {
        settings.serve(root.path())?;
        let age = settings.get::<Seconds>("STATIC_CACHE_AGE")?;
        let caching = match age.map(|age| age.0.as_secs()) {
            Some(age @ 1..) if !matches!(files, Files::Media) => {
                HeaderValue::try_from(format!("public, max-age={age}"))?
            }
            _ => HeaderValue::from_static("no-cache"),
        };
        Ok(Self {
            root,
            files,
            caching,
        })
    }

    fn answer(&self, request: &Request, path: &str) -> Result<Response> {
        let (name, caching) = self.resolve(path);
        let Some((file, encoding)) = self.choose(request, Path::new(name))? else {
            return Err(Error::not_found("there is no such file in the folder"));
        };
        let is_media = matches!(self.files, Files::Media);
        let media_type = if is_media {
            media::media_type(name)
        } else {
            media_type(Path::new(path))
        };
        let mut response = respond(request, file, media_type, encoding)?;
        let status = response.status();
        if !status.is_success() && status != StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        if is_media {
            response = media::guard(response, name);
        } else if !matches!(self.files, Files::AsTheyAre) {
            response = response.with(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        Ok(response.with(header::CACHE_CONTROL, caching))
    }

    /// The name on the disk, and how long a copy is good.
    fn resolve<'a>(&'a self, path: &'a str) -> (&'a str, HeaderValue) {
        match &self.files {
            Files::Collected(manifest) => match manifest.files.get(path) {
                Some(hashed) => (hashed, self.caching.clone()),
                None => (path, IMMUTABLE),
            },
            _ => (path, self.caching.clone()),
        }
    }

    /// The file in the best encoding the client takes.
    fn choose(
        &self,
        request: &Request,
        name: &Path,
    ) -> io::Result<Option<(OpenFile, Option<Coding>)>> {
        let is_collected = matches!(self.files, Files::Collected(_));
        if is_collected && !is_hashed(&name.to_string_lossy()) {
            return Ok(None);
        }
        let Some(plain) = self.root.find(name)? else {
            return Ok(None);
        };
        if !is_collected && !matches!(self.files, Files::Compressed) {
            return Ok(Some((plain, None)));
        }
        for coding in encoding::accepted(request.headers()) {
            let mut beside = OsString::from(name);
            beside.push(encoding::suffix(coding));
            // Collected files never change, so that their dates, which copying may lose, do not matter.
            if let Some(file) = self.root.find(Path::new(&beside))?
                && (is_collected || file.modified >= plain.modified)
            {
                return Ok(Some((file, Some(coding))));
            }
        }
        Ok(Some((plain, None)))
    }
}
