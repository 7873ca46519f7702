//! A folder of files under one URL.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode, header};

use super::encoding::Encoding;
use super::open::{OpenFile, none_if_absent};
use super::{media_type, respond};
use crate::BoxFuture;
use crate::error::{Error, Result};
use crate::http::request::Request;
use crate::http::response::Response;
use crate::routing::urls::UrlPattern;
use crate::routing::view::View;
use crate::settings::{Seconds, Settings, SettingsError};

/// The URL pattern of a site's folder of static files.
pub(crate) fn pattern(settings: &Settings) -> Result<UrlPattern, SettingsError> {
    let text = |key, default: &str| Ok(settings.get(key)?.unwrap_or_else(|| default.to_owned()));
    let url: String = text("STATIC_URL", "/static/")?;
    if !is_url_path(&url) {
        let right = "takes a path of this site that begins with `/`, such as \"/static/\"";
        return Err(settings.error("STATIC_URL", right));
    }
    let folder: String = text("STATIC_DIR", "static")?;
    Ok(static_folder(&url, folder).name("static"))
}

/// A path as it stands in a URL.
fn is_url_path(text: &str) -> bool {
    let is_path = |path: PathAndQuery| path.path() == text;
    text.starts_with('/')
        && !text.starts_with("//")
        && text.is_ascii()
        && !text.contains(['<', '>', '{', '}', '"', '\\'])
        && text.parse().is_ok_and(is_path)
}

/// The files of a folder, and of those in it, under one URL.
///
/// A relative folder counts from that of the settings file; it need not be there yet. Files are sent as
/// [`file`](crate::files::file) sends them. Where the client takes it, a `site.css.br` or `site.css.gz`
/// that is no older than the `site.css` beside it is sent in its place. `STATIC_CACHE_AGE` says
/// for how many seconds browsers use a file without asking again; without it they ask each time.
///
/// What is not a regular file inside the folder is a 404: folders themselves (there are no
/// listings), names that begin with a dot, and links that lead out.
///
/// ```
/// use duck::{App, Settings};
/// use duck::files::static_folder;
///
/// let app = App::new(Settings::default()).urls([static_folder("/media/", "media").name("media")]);
/// ```
///
/// Its URLs are made with the path inside the folder: `request.url("media", ["a/b.png"])`.
/// Files that visitors uploaded are better sent as a [`download`](Response::download).
///
/// A folder that holds the settings file stops the site from starting: it would be sent too.
pub fn static_folder(url: &str, folder: impl Into<PathBuf>) -> UrlPattern {
    let url = url.trim_end_matches('/');
    let folder = folder.into();
    UrlPattern::from_settings(format!("{url}/<path:path>"), move |settings| {
        Folder::open(&folder, settings)
    })
}

/// A folder that is served: a view whose parameter is the path in the folder.
#[derive(Debug, Clone)]
struct Folder {
    root: Arc<Path>,
    caching: HeaderValue,
}

impl View<(String,)> for Folder {
    type Future = BoxFuture<'static, Result<Response>>;

    fn call(&self, request: Request, (path,): (String,)) -> Self::Future {
        let folder = self.clone();
        Box::pin(async move {
            // A slash that was sent encoded is part of a name, and no file has such a name.
            let Some(relative) = relative(&path).filter(|_| !has_encoded_slash(request.path()))
            else {
                return Err(Error::not_found("that names no file of a static folder"));
            };
            tokio::task::spawn_blocking(move || folder.answer(&request, &relative)).await?
        })
    }
}

fn holds_settings(root: &Path, settings: &Settings) -> bool {
    let site = settings.folder().and_then(|site| site.canonicalize().ok());
    let root = root.canonicalize().ok();
    matches!((site, root), (Some(site), Some(root)) if site.starts_with(&root))
}

fn has_encoded_slash(path: &str) -> bool {
    path.to_ascii_lowercase().contains("%2f")
}

/// A decoded path as one that can only lead down; `None` where it is anything else.
fn relative(path: &str) -> Option<PathBuf> {
    path.split('/').map(segment).collect()
}

fn segment(name: &str) -> Option<&str> {
    let windows = cfg!(windows) && name.contains(':');
    let mut components = Path::new(name).components();
    let plain = matches!(components.next(), Some(Component::Normal(part)) if part == name);
    let fine = plain
        && components.next().is_none()
        && !name.starts_with('.')
        && !name.contains(['\\', '\0'])
        && !windows;
    fine.then_some(name)
}

impl Folder {
    fn open(folder: &Path, settings: &Settings) -> Result<Self> {
        let root = settings.resolve(folder);
        if holds_settings(&root, settings) {
            return Err(Error::internal(format!(
                "the folder {} cannot be served: the site's settings file is in it; name a folder of its own",
                root.display()
            )));
        }
        let age = settings.get::<Seconds>("STATIC_CACHE_AGE")?;
        let caching = match age.map(|age| age.0.as_secs()) {
            Some(age @ 1..) => HeaderValue::try_from(format!("public, max-age={age}"))?,
            _ => HeaderValue::from_static("no-cache"),
        };
        Ok(Self {
            root: root.into(),
            caching,
        })
    }

    fn answer(&self, request: &Request, relative: &Path) -> Result<Response> {
        let Some((file, encoding)) = self.choose(request, relative)? else {
            return Err(Error::not_found(
                "there is no such file in the static folder",
            ));
        };
        let response = respond(request, file, media_type(relative), encoding)?;
        let about_file =
            response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
        if !about_file {
            return Ok(response);
        }
        Ok(response
            .with(header::CACHE_CONTROL, self.caching.clone())
            .with(header::VARY, HeaderValue::from_static("accept-encoding")))
    }

    /// The file in the best encoding the client takes.
    fn choose(
        &self,
        request: &Request,
        relative: &Path,
    ) -> io::Result<Option<(OpenFile, Option<Encoding>)>> {
        let Some(plain) = self.find(relative)? else {
            return Ok(None);
        };
        for encoding in Encoding::accepted(request.headers()) {
            let mut beside = OsString::from(relative);
            beside.push(encoding.suffix());
            if let Some(file) = self.find(Path::new(&beside))?
                && file.modified >= plain.modified
            {
                return Ok(Some((file, Some(encoding))));
            }
        }
        Ok(Some((plain, None)))
    }

    /// Opens a file that is in the folder when all links are followed.
    fn find(&self, relative: &Path) -> io::Result<Option<OpenFile>> {
        match self.locate(relative).or_else(none_if_absent)? {
            Some(path) => OpenFile::open(&path),
            None => Ok(None),
        }
    }

    fn locate(&self, relative: &Path) -> io::Result<Option<PathBuf>> {
        let root = self.root.canonicalize()?;
        let path = root.join(relative).canonicalize()?;
        let inside = path
            .strip_prefix(&root)
            .is_ok_and(|inside| !is_hidden(inside));
        Ok(inside.then_some(path))
    }
}

fn is_hidden(path: &Path) -> bool {
    path.iter()
        .any(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_down_or_nowhere() {
        for path in [
            "a",
            "a/b.css",
            "a b",
            "é",
            "a..b",
            "x.",
            "...x".trim_start_matches('.'),
        ] {
            assert_eq!(relative(path), Some(PathBuf::from(path)), "{path:?}");
        }
        for path in [
            "",
            "/",
            "/etc/passwd",
            "//etc",
            "a//b",
            "a/",
            "..",
            "../x",
            "a/../x",
            "a/..",
            ".",
            "./a",
            "a/./b",
            ".git/config",
            "a/.env",
            "a\\b",
            "..\\x",
            "\\\\host\\share",
            "a\0",
            "\0",
            "...",
        ] {
            assert_eq!(relative(path), None, "{path:?}");
        }
    }
}
