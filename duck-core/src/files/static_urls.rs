//! The URLs of static files, as pages name them.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::folder::static_url;
use crate::settings::{Settings, SettingsError};

/// What stands for itself in a path, but for `%` (RFC 3986, 3.3).
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Makes the URLs of static files: `STATIC_URL` and the path below the folder.
pub(crate) struct StaticUrls {
    prefix: String,
}

impl StaticUrls {
    pub(crate) fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            prefix: static_url(settings)?,
        })
    }

    /// The URL of the file with this path below the static folder: `style.css`.
    pub(crate) fn url(&self, path: &str) -> String {
        let (prefix, path) = (
            self.prefix.trim_end_matches('/'),
            path.trim_start_matches('/'),
        );
        format!("{prefix}/{}", utf8_percent_encode(path, ENCODED))
    }
}
