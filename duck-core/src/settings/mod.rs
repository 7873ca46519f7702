//! `settings.toml`: read once, then asked by each part of the framework for its own keys.

mod error;
mod part;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;

pub use self::error::SettingsError;
use self::part::Part;
use self::value::Value;

/// The environment variables that set a key begin with this.
const ENV_PREFIX: &str = "DUCK_";

/// Names the settings file, where it is not `settings.toml`.
const ENV_FILE: &str = "DUCK_SETTINGS";

/// A site's settings: a flat table of upper-case keys.
///
/// They come from a TOML file, from the environment (`DUCK_<KEY>` stands over the file; a `.env`
/// beside the file may hold such variables too), or from the program, which stands over both. Each part of a site reads its own
/// keys as a struct with [`part`](Self::part); a mistake there names the key, the file and the line.
///
/// ```
/// use duck_core::Settings;
///
/// #[derive(serde::Deserialize)]
/// #[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
/// struct Mail {
///     mail_from: String,
///     mail_port: u16,
/// }
///
/// impl Default for Mail {
///     fn default() -> Self {
///         Self { mail_from: "duck@example.org".into(), mail_port: 25 }
///     }
/// }
///
/// let settings = Settings::from_toml("MAIL_PORT = 2525\nMAIL_FORM = 'typo@example.org'")?;
/// assert_eq!(settings.part::<Mail>()?.mail_port, 2525);
/// assert_eq!(settings.unknown_keys(), ["MAIL_FORM"]);
/// # Ok::<(), duck_core::SettingsError>(())
/// ```
#[derive(Clone, Default)]
pub struct Settings(Arc<Inner>);

#[derive(Default)]
struct Inner {
    values: BTreeMap<String, Value>,
    source: String,
    folder: Option<PathBuf>,
    asked: Mutex<BTreeSet<&'static str>>,
}

impl Settings {
    /// Reads a settings file. A plain file name is looked for in the current folder and then in
    /// those above it, so that a site can be run from any folder of its own; `DUCK_SETTINGS` in
    /// the environment names another file.
    ///
    /// # Errors
    ///
    /// When there is no such file, or it is not TOML: the error has the line.
    pub fn load(file: impl AsRef<Path>) -> Result<Self, SettingsError> {
        let file = match std::env::var_os(ENV_FILE) {
            Some(file) => PathBuf::from(file),
            None => find(file.as_ref())?,
        };
        let text = std::fs::read_to_string(&file).map_err(|error| {
            SettingsError::new(format!("cannot read {}: {error}", file.display()))
        })?;
        let name = file
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let folder = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut inner = Inner {
            source: name,
            ..Inner::default()
        };
        inner.values = value::from_toml(&text, &inner.source)?;
        inner.add_env_file(&folder.join(".env"))?;
        inner.add_env(std::env::vars());
        inner.folder = Some(folder.to_owned());
        Ok(Self(Arc::new(inner)))
    }

    /// Settings from a text, as in tests. Neither the environment nor any file is read.
    ///
    /// # Errors
    ///
    /// When the text is not TOML.
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        let source = "the settings text".to_owned();
        let values = value::from_toml(text, &source)?;
        Ok(Self(Arc::new(Inner {
            values,
            source,
            ..Inner::default()
        })))
    }

    /// The same settings with one key set by the program, over the file and the environment.
    ///
    /// ```
    /// let settings = duck_core::Settings::default().with("SESSION_STORAGE", "InMemoryCache");
    /// assert_eq!(settings.get::<String>("SESSION_STORAGE")?.as_deref(), Some("InMemoryCache"));
    /// # Ok::<(), duck_core::SettingsError>(())
    /// ```
    #[must_use]
    pub fn with(self, key: &str, value: impl Into<toml::Value>) -> Self {
        let value = Value::set_by_program(value.into());
        self.edit(|inner| {
            inner.values.insert(key.to_owned(), value);
        })
    }

    /// The same settings with relative paths counted from `folder`.
    #[must_use]
    pub fn in_folder(self, folder: impl Into<PathBuf>) -> Self {
        self.edit(|inner| inner.folder = Some(folder.into()))
    }

    fn edit(&self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Inner {
            values: self.0.values.clone(),
            source: self.0.source.clone(),
            folder: self.0.folder.clone(),
            asked: Mutex::new(self.asked().clone()),
        };
        change(&mut inner);
        Self(Arc::new(inner))
    }

    /// A part of the settings as a struct, whose fields say which keys it knows.
    ///
    /// # Errors
    ///
    /// When a value is of the wrong type or out of range.
    pub fn part<T: DeserializeOwned>(&self) -> Result<T, SettingsError> {
        Part::read(&self.0.values, |key| {
            self.asked().insert(key);
        })
    }

    /// One key.
    ///
    /// # Errors
    ///
    /// When the value is of another type.
    pub fn get<T: DeserializeOwned>(&self, key: &'static str) -> Result<Option<T>, SettingsError> {
        self.asked().insert(key);
        self.0
            .values
            .get(key)
            .map(|value| value.read(key))
            .transpose()
    }

    /// An error about one key, with the place where it was set.
    pub fn error(&self, key: &str, message: impl fmt::Display) -> SettingsError {
        match self.0.values.get(key) {
            Some(value) => value.error(key, message),
            None => SettingsError::new(format!("{key} (not set): {message}")),
        }
    }

    /// `path` as it is meant: a relative one counts from the folder of the settings file.
    pub fn resolve(&self, path: impl AsRef<Path>) -> PathBuf {
        match &self.0.folder {
            Some(folder) => folder.join(path),
            None => path.as_ref().to_owned(),
        }
    }

    /// The folder of the settings file.
    pub fn folder(&self) -> Option<&Path> {
        self.0.folder.as_deref()
    }

    /// `DEBUG`: details of errors are shown to the visitor. Off unless it is set.
    pub fn is_debug(&self) -> bool {
        self.get("DEBUG").ok().flatten().unwrap_or(false)
    }

    /// Keys that no part has asked for so far: misspelt ones, mostly.
    pub fn unknown_keys(&self) -> Vec<&str> {
        let asked = self.asked();
        let unknown = |key: &&String| !asked.contains(key.as_str());
        self.0
            .values
            .keys()
            .filter(unknown)
            .map(String::as_str)
            .collect()
    }

    /// Keys that some part has asked for so far, whether they are set or not.
    pub fn known_keys(&self) -> Vec<&'static str> {
        self.asked().iter().copied().collect()
    }

    /// Notes keys that are asked for elsewhere, or by some sites only: they are no mistakes.
    pub(crate) fn know(&self, keys: &[&'static str]) {
        self.asked().extend(keys);
    }

    /// A sentence for each unknown key, with the nearest key that is known.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let unknown = self.unknown_keys();
        let asked = self.asked();
        let nearest = |key: &str| {
            let close = |known: &&&str| strsim::jaro_winkler(key, known);
            asked
                .iter()
                .max_by(|a, b| close(a).total_cmp(&close(b)))
                .filter(|known| close(known) > 0.85)
                .copied()
        };
        unknown
            .into_iter()
            .map(|key| match nearest(key) {
                Some(known) => self.error(
                    key,
                    format_args!("no such setting; did you mean `{known}`?"),
                ),
                None => self.error(key, "no part of this site knows this setting"),
            })
            .map(|error| error.to_string())
            .collect()
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, BTreeSet<&'static str>> {
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The environment stands over the file.
    fn add_env(&mut self, variables: impl Iterator<Item = (String, String)>) {
        for (name, text) in variables {
            match name.strip_prefix(ENV_PREFIX) {
                Some(key) if name != ENV_FILE => {
                    self.values.insert(key.to_owned(), Value::from_env(text));
                }
                _ => {}
            }
        }
    }

    /// `.env` beside the settings file: variables that are not in the environment itself.
    fn add_env_file(&mut self, file: &Path) -> Result<(), SettingsError> {
        let wrong =
            |error: dotenvy::Error| SettingsError::new(format!("{}: {error}", file.display()));
        let variables = match dotenvy::from_path_iter(file) {
            Ok(variables) => variables.collect::<Result<Vec<_>, _>>().map_err(wrong)?,
            Err(error) if error.not_found() => return Ok(()),
            Err(error) => return Err(wrong(error)),
        };
        self.add_env(variables.into_iter());
        Ok(())
    }
}

/// The nearest file of that name, from the current folder upwards.
fn find(file: &Path) -> Result<PathBuf, SettingsError> {
    if file.is_absolute() || file.components().count() > 1 || file.exists() {
        return Ok(file.to_owned());
    }
    let here = std::env::current_dir()
        .map_err(|error| SettingsError::new(format!("cannot tell the current folder: {error}")))?;
    here.ancestors().map(|folder| folder.join(file)).find(|candidate| candidate.is_file()).ok_or_else(|| {
        SettingsError::new(format!(
            "there is no {} in {} or a folder above it; run the site from its own folder, or name the file in {ENV_FILE}",
            file.display(),
            here.display()
        ))
    })
}

impl fmt::Debug for Settings {
    /// Keys only: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("source", &self.0.source)
            .field("keys", &self.0.values.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
    #[expect(clippy::struct_field_names, reason = "they are the names of settings")]
    struct Mail {
        mail_from: String,
        mail_port: Option<u16>,
        use_tls: bool,
    }

    #[test]
    fn a_wrong_type_names_key_and_line() {
        let settings = Settings::from_toml("MAIL_FROM = 'x'\n\nMAIL_PORT = 'many'").unwrap();
        let error = settings.part::<Mail>().unwrap_err().to_string();
        assert!(
            error.contains("the settings text, line 3: MAIL_PORT"),
            "{error}"
        );
        assert!(error.contains("expected u16"), "{error}");
    }

    #[test]
    fn the_environment_stands_over_the_file() {
        let mut inner = Inner {
            values: value::from_toml("MAIL_PORT = 25", "x").unwrap(),
            ..Inner::default()
        };
        let env = [
            ("DUCK_MAIL_PORT", "2525"),
            ("DUCK_USE_TLS", "true"),
            ("DUCK_MAIL_FROM", "0123"),
            ("X", "y"),
        ];
        inner.add_env(
            env.into_iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        let mail: Mail = Settings(Arc::new(inner)).part().unwrap();
        assert_eq!(
            (mail.mail_port, mail.use_tls, mail.mail_from.as_str()),
            (Some(2525), true, "0123")
        );
    }

    #[test]
    fn a_wrong_variable_is_named_as_such() {
        let mut inner = Inner::default();
        inner.add_env([("DUCK_MAIL_PORT".to_owned(), "x".to_owned())].into_iter());
        let error = Settings(Arc::new(inner))
            .part::<Mail>()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("environment variable DUCK_MAIL_PORT"),
            "{error}"
        );
    }

    #[test]
    fn broken_toml_names_the_line() {
        let error = Settings::from_toml("A = 1\nB = ").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn misspelt_keys_are_reported_with_the_nearest() {
        let settings = Settings::from_toml("MAIL_FORM = 'x'\nZZZ = 1").unwrap();
        settings.part::<Mail>().unwrap();
        let warnings = settings.warnings();
        assert!(
            warnings[0].contains("line 1") && warnings[0].contains("did you mean `MAIL_FROM`?"),
            "{warnings:?}"
        );
        assert!(warnings[1].contains("ZZZ"), "{warnings:?}");
    }

    #[test]
    fn debug_shows_no_values() {
        let settings = Settings::from_toml("SECRET_KEY = 'hush'").unwrap();
        assert!(!format!("{settings:?}").contains("hush"));
    }
}
