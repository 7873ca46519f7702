use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// `SESSION_DATABASE_URL`. There may be a password in it, so it is shown nowhere.
///
/// ```
/// use duck::Settings;
/// use duck_session::SessionSettings;
///
/// let settings = Settings::from_toml("SESSION_DATABASE_URL = 'postgres://me:secret@host/site'")?;
/// let url = SessionSettings::from_settings(&settings)?.session_database_url.unwrap();
/// assert_eq!(url.as_str(), "postgres://me:secret@host/site");
/// assert_eq!(format!("{url:?}"), "[redacted]");
/// # Ok::<(), duck::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL, with the password that may be in it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file of an SQLite database; `None` for other databases.
    pub(crate) fn sqlite_file(&self) -> Option<&str> {
        let file = self.0.strip_prefix("sqlite:")?;
        let file = file.strip_prefix("//").unwrap_or(file);
        // SQLite takes other names too: databases in memory, and parameters.
        let is_file = !file.is_empty() && !file.starts_with(':') && !file.contains('?');
        is_file.then_some(file)
    }

    /// Has the file of an SQLite database count from where relative paths do.
    pub(super) fn resolve(&mut self, resolve: impl Fn(&str) -> PathBuf) {
        let file = self.sqlite_file().map(resolve);
        if let Some(file) = file.as_deref().and_then(Path::to_str) {
            self.0 = format!("sqlite:{file}");
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
