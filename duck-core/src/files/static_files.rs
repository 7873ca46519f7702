//! The site's own static files.

use std::sync::Arc;

use super::folder::{Files, Folder, pattern};
use super::manifest::Manifest;
use super::places::Places;
use super::root::Root;
use super::static_urls::{Known, StaticUrls};
use crate::app::component::Component;
use crate::app::setup::Setup;
use crate::error::Result;

/// The site's style sheets, scripts and pictures: a [`Component`].
///
/// With `DEBUG` on they come from `STATIC_DIR` (`static`) as they are, at once when they change. Without it they
/// come from `STATIC_ROOT` (`staticfiles`), if the command `collectstatic` has put them there: under names with a
/// hash of what is in them, which browsers keep for a year, and compressed. The plain names go on
/// working. Where nothing was collected, they come from `STATIC_DIR` here too.
///
/// They are under `STATIC_URL` (`/static/`); [`Request::static_url`](crate::Request::static_url) makes their
/// URLs. Else they are served as a [`static_folder`](crate::files::static_folder), and a `site.css.br` or `site.css.gz`
/// that is no older than the `site.css` beside it is sent in its place to who takes it. The pattern is named `static`.
///
/// The command comes with the feature `collectstatic`.
///
/// ```
/// use duck::files::StaticFiles;
/// use duck::{App, Settings};
///
/// let app = App::new(Settings::default()).with(StaticFiles::new());
/// ```
#[derive(Debug, Default)]
pub struct StaticFiles(());

impl StaticFiles {
    /// The files that the settings name.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Component for StaticFiles {
    async fn start(self, setup: &mut Setup<'_>) -> Result<()> {
        let places = Places::read(setup.settings())?;
        let debug = setup.settings().get::<bool>("DEBUG")?.unwrap_or(false);
        let source = Root::new(&places.dir, setup.settings())?;
        let collected = if debug {
            None
        } else {
            collected(setup, &places)?
        };
        let (root, files, urls) = if let Some((root, manifest)) = collected {
            let urls = StaticUrls::collected(&places.url, &manifest);
            (root, Files::Collected(Arc::new(manifest)), urls)
        } else {
            let known = if debug {
                Known::InFolder(source.clone())
            } else {
                Known::Any
            };
            let urls = StaticUrls::new(&places.url, known);
            (source, Files::Compressed, urls)
        };
        setup.insert(urls);
        let folder = Folder::new(root, files, setup.settings())?;
        let pattern = pattern(&places.url, move |_| Ok(folder));
        setup.urls([pattern.name("static").public()]);
        #[cfg(feature = "collectstatic")]
        super::collect::add(setup, places);
        Ok(())
    }
}

/// What `collectstatic` has left. That it has left nothing is worth a word where the command is built in; that it
/// cannot be used stops the site, but not the command that would mend it.
fn collected(setup: &mut Setup<'_>, places: &Places) -> Result<Option<(Root, Manifest)>> {
    let root = Root::new(&places.root, setup.settings())?;
    match Manifest::read(root.path()) {
        Ok(Some(manifest)) => return Ok(Some((root, manifest))),
        Ok(None) if cfg!(feature = "collectstatic") => {
            let finding = setup.settings().error(
                "STATIC_ROOT",
                "has no collected files: run `collectstatic`, or browsers ask for each static file again and again",
            );
            if setup.is_serving() {
                tracing::warn!(target: "duck", "{finding}");
            }
            setup.deploy_finding(finding.to_string());
        }
        Ok(None) => {}
        Err(error) if setup.is_serving() => return Err(error),
        Err(error) => setup.finding(error.to_string()),
    }
    Ok(None)
}
