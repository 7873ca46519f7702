//! Where a site's static files are.

use std::path::PathBuf;

use http::uri::PathAndQuery;

use crate::settings::{Settings, SettingsError};

/// What the settings say.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// With a slash at both ends.
    pub(super) url: String,
    pub(super) dir: PathBuf,
    pub(super) root: PathBuf,
}

impl Places {
    pub(super) fn read(settings: &Settings) -> Result<Self, SettingsError> {
        let text =
            |key, default: &str| Ok(settings.get(key)?.unwrap_or_else(|| default.to_owned()));
        let url: String = text("STATIC_URL", "/static/")?;
        if !is_url_path(&url) {
            let right = "takes a path of this site that begins with `/`, such as \"/static/\"";
            return Err(settings.error("STATIC_URL", right));
        }
        let dir: String = text("STATIC_DIR", "static")?;
        let root: String = text("STATIC_ROOT", "staticfiles")?;
        Ok(Self {
            url: format!("{}/", url.trim_end_matches('/')),
            dir: settings.resolve(dir),
            root: settings.resolve(root),
        })
    }
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
