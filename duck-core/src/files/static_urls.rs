//! URLs of static files.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::manifest::Manifest;
use super::root::{Root, relative};
use crate::error::{Error, Result};
use crate::http::request::Request;
use crate::routing::encoding;
use crate::settings::nearest;

/// The URLs of a site's static files. [`StaticFiles`](crate::files::StaticFiles) leaves them in the site's state.
#[derive(Debug)]
pub(crate) struct StaticUrls {
    /// With a slash at its end.
    prefix: String,
    files: Known,
}

/// Which names there are.
#[derive(Debug)]
pub(super) enum Known {
    /// Those that were collected, with their URLs.
    Collected(BTreeMap<String, String>),
    /// Those in a folder that is being worked on.
    InFolder(Root),
    /// It is not looked at.
    Any,
}

impl StaticUrls {
    pub(super) fn collected(prefix: &str, manifest: &Manifest) -> Self {
        let files = manifest.files.iter();
        let urls = files.map(|(name, hashed)| (name.clone(), join(prefix, hashed)));
        Self::new(prefix, Known::Collected(urls.collect()))
    }

    pub(super) fn new(prefix: &str, files: Known) -> Self {
        Self {
            prefix: prefix.to_owned(),
            files,
        }
    }

    /// See [`Request::static_url`].
    #[track_caller]
    pub(crate) fn url(&self, path: &str) -> Result<Cow<'_, str>> {
        let (name, rest) = path.split_at(path.find(['?', '#']).unwrap_or(path.len()));
        let Some(relative) = relative(name) else {
            return Err(missing(
                path,
                "a static file is named by its path in the folder, such as \"css/site.css\"",
            ));
        };
        let url = match &self.files {
            Known::Collected(urls) => match urls.get(name) {
                Some(url) => Cow::Borrowed(url.as_str()),
                None => return Err(missing(name, &not_collected(name, urls))),
            },
            Known::InFolder(root) if root.find(&relative)?.is_none() => {
                let folder = root.path().display();
                return Err(missing(name, &format!("it is not in {folder}")));
            }
            Known::InFolder(_) | Known::Any => Cow::Owned(join(&self.prefix, name)),
        };
        Ok(if rest.is_empty() {
            url
        } else {
            Cow::Owned(format!("{url}{rest}"))
        })
    }
}

#[track_caller]
fn missing(name: &str, why: &str) -> Error {
    Error::internal(format!("there is no static file {name:?}: {why}"))
}

fn not_collected(name: &str, urls: &BTreeMap<String, String>) -> String {
    match nearest(name, urls.keys().map(String::as_str)) {
        Some(other) => format!("did you mean {other:?}?"),
        None => "run `collectstatic` after a file is added".to_owned(),
    }
}

fn join(prefix: &str, name: &str) -> String {
    format!("{prefix}{}", encoding::encode_path(name))
}

impl Request {
    /// The URL of a static file, by its path in `STATIC_DIR`.
    ///
    /// Where `collectstatic` has run it is that of the collected file, whose name changes with what is in
    /// it: browsers keep it for a year, and ask for the next one by its new name. What stands behind a `?`
    /// or `#` stays.
    ///
    /// ```
    /// # use duck::testing::TestClient;
    /// use duck::files::StaticFiles;
    /// use duck::{App, Request, Result, Settings, path};
    ///
    /// async fn home(request: Request) -> Result<String> {
    ///     Ok(request.static_url("css/site.css")?.into_owned())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let app = App::new(Settings::default()).with(StaticFiles::new()).urls([path("/", home)]);
    /// assert_eq!(TestClient::start(app).await.get("/").await.text(), "/static/css/site.css");
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// 500 when there is no such file among the collected ones or, with `DEBUG` on, in `STATIC_DIR`; and
    /// when the site has no [`StaticFiles`](crate::files::StaticFiles).
    #[track_caller]
    pub fn static_url(&self, path: &str) -> Result<Cow<'_, str>> {
        match self.state::<StaticUrls>() {
            Ok(urls) => urls.url(path),
            Err(_) => Err(missing(path, "the site has no `.with(StaticFiles::new())`")),
        }
    }
}
