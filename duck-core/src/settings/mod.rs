//! `settings.toml`: read once, then asked by each part of the framework for its own keys.

mod absent;
mod changed;
mod content;
mod env_file;
mod environment;
mod error;
mod folders;
mod mismatch;
mod part;
mod seconds;
pub(crate) mod secret;
mod spelling;
mod syntax;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::error::SettingsError;
use self::folders::Folders;
use self::part::Part;
pub use self::seconds::Seconds;
pub use self::secret::SecretKey;
#[doc(hidden)]
pub use self::spelling::nearest;
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
/// use duck::Settings;
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
/// # Ok::<(), duck::settings::SettingsError>(())
/// ```
#[derive(Clone, Default)]
pub struct Settings(Arc<Inner>);

#[derive(Default)]
struct Inner {
    values: BTreeMap<String, Value>,
    source: String,
    folder: Option<PathBuf>,
    asked: Mutex<BTreeSet<&'static str>>,
    folders: Mutex<Folders>,
}

impl Settings {
    /// Reads a settings file. A plain file name is looked for in the current folder and then in
    /// those above it, so that a site can be run from any folder of its own; `DUCK_SETTINGS` in
    /// the environment names another file.
    ///
    /// # Errors
    ///
    /// When there is no such file, or it or `.env` cannot be read: the error has the line, and nothing that
    /// is on it.
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
        inner.add_env(std::env::vars_os())?;
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

    /// Settings from the environment alone: `DUCK_<KEY>` sets a key, and no file is read. Relative
    /// paths count from the current folder.
    ///
    /// ```
    /// let settings = duck::Settings::from_env()?;
    /// assert_eq!(settings.get::<String>("MAIL_FROM")?, std::env::var("DUCK_MAIL_FROM").ok());
    /// # Ok::<(), duck::settings::SettingsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When such a variable is not UTF-8.
    pub fn from_env() -> Result<Self, SettingsError> {
        let mut inner = Inner::default();
        inner.add_env(std::env::vars_os())?;
        Ok(Self(Arc::new(inner)))
    }

    /// Settings from a struct (or a map) of the program's own, whose fields have the names of the
    /// keys. A field that is `None` leaves its key unset.
    ///
    /// ```
    /// use duck::Settings;
    ///
    /// #[derive(serde::Serialize)]
    /// #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    /// struct Own {
    ///     debug: bool,
    ///     max_body_bytes: u64,
    ///     trusted_proxies: Vec<String>,
    ///     workers: Option<usize>,
    /// }
    ///
    /// let settings = Settings::from_struct(&Own {
    ///     debug: true,
    ///     max_body_bytes: 1 << 20,
    ///     trusted_proxies: vec!["10.0.0.0/8".into()],
    ///     workers: None,
    /// })?;
    /// assert!(settings.is_debug());
    /// assert_eq!(settings.get("MAX_BODY_BYTES")?, Some(1_048_576_u64));
    /// assert_eq!(settings.get::<usize>("WORKERS")?, None);
    /// # Ok::<(), duck::settings::SettingsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When it is neither a struct nor a map, or serde cannot read it.
    pub fn from_struct(values: &impl Serialize) -> Result<Self, SettingsError> {
        Ok(Self(Arc::new(Inner {
            values: value::from_struct(values)?,
            ..Inner::default()
        })))
    }

    /// The same settings with one key set by the program, over the file and the environment: a
    /// boolean, a number, a text, a path, a list. `None` takes the key out.
    ///
    /// A value that no settings file could hold is an error where the key is read.
    ///
    /// ```
    /// let settings = duck::Settings::default()
    ///     .with("SESSION_STORAGE", "InMemoryCache")
    ///     .with("MAX_BODY_BYTES", u64::MAX);
    /// assert_eq!(settings.get::<String>("SESSION_STORAGE")?.as_deref(), Some("InMemoryCache"));
    /// assert_eq!(settings.get("MAX_BODY_BYTES")?, Some(u64::MAX));
    /// # Ok::<(), duck::settings::SettingsError>(())
    /// ```
    #[must_use]
    pub fn with(self, key: &str, value: impl Serialize) -> Self {
        self.edit(|inner| match Value::set_by_program(&value) {
            Some(value) => drop(inner.values.insert(key.to_owned(), value)),
            None => drop(inner.values.remove(key)),
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
            folders: Mutex::new(self.folders().clone()),
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

    /// Every key with its value as text: `settings.toml` would have it in these words. Secrets are in it.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, String)> {
        let values = self.0.values.iter();
        values.map(|(key, value)| (&**key, value.to_string()))
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

    /// Whether a key is set in the settings file itself, rather than in `.env`, the environment or the program.
    #[cfg(feature = "cli")]
    pub(crate) fn is_in_settings_file(&self, key: &str) -> bool {
        let value = self.0.values.get(key);
        self.folder().is_some() && value.is_some_and(Value::is_of_settings_file)
    }

    /// What [`keep_private`](Self::keep_private) was told, with the settings that name it.
    #[cfg(feature = "cli")]
    pub(crate) fn private_places(&self) -> Vec<(&'static str, PathBuf)> {
        self.folders().private().to_vec()
    }

    /// The files that it may have come from.
    #[cfg(feature = "cli")]
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let folder = self.folder().filter(|_| !self.0.source.is_empty());
        let names = [self.0.source.as_str(), ".env"];
        folder.map_or_else(Vec::new, |folder| {
            names.map(|name| folder.join(name)).to_vec()
        })
    }

    /// The folder of the settings file.
    pub fn folder(&self) -> Option<&Path> {
        self.0.folder.as_deref()
    }

    /// Says that nobody may read what is in a folder, which `key` names: sessions, a database. A site that serves
    /// it, or a folder around it, does not start, whatever links and `..` stand between the two.
    ///
    /// ```
    /// use duck::files::static_folder;
    /// use duck::{App, Settings, Setup};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let app = App::new(Settings::default())
    ///     .with(async |setup: &mut Setup<'_>| {
    ///         setup.settings().keep_private("DATABASE_DIR", "media/../public/database")?;
    ///         Ok(())
    ///     })
    ///     .urls([static_folder("/files/", "public")]);
    /// assert!(app.start().await.is_err());
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When it is served already.
    pub fn keep_private(
        &self,
        key: &'static str,
        folder: impl AsRef<Path>,
    ) -> Result<(), SettingsError> {
        let kept = self.folders().keep_private(key, &self.resolve(folder));
        kept.map_err(|served| self.is_served(key, &served))
    }

    /// Says that everybody may read what is in a folder.
    pub(crate) fn serve(&self, folder: &Path) -> Result<(), SettingsError> {
        let served = self.folders().serve(folder);
        served.map_err(|key| self.is_served(key, folder))
    }

    fn is_served(&self, key: &str, folder: &Path) -> SettingsError {
        let folder = folder.display();
        self.error(
            key,
            format_args!("lies in {folder}, whose files are served to everybody"),
        )
    }

    /// `DEBUG`: details of errors are shown to the visitor. Off unless it is set.
    pub fn is_debug(&self) -> bool {
        self.get("DEBUG").ok().flatten().unwrap_or(false)
    }

    /// Keys that no part has asked for so far: misspelt ones, and those of components that the site does not have.
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

    /// Refuses keys in lower case: a site that believes it has set `debug` must not run without.
    pub(crate) fn refuse_lower_case(&self) -> Result<(), SettingsError> {
        let is_lower = |key: &str| key.chars().any(char::is_lowercase);
        let Some((key, value)) = self.0.values.iter().find(|(key, _)| is_lower(key)) else {
            return Ok(());
        };
        Err(match value.content.names().first() {
            Some(name) => in_section(key, value, &spelling::flat_key(key, name)),
            None => value.error(
                key,
                format_args!(
                    "keys are in upper case: write it as `{}`",
                    spelling::upper_key(key)
                ),
            ),
        })
    }

    /// Refuses sections that hold keys which some part has asked for: it would run without them.
    pub(crate) fn refuse_sections(&self) -> Result<(), SettingsError> {
        for section in self.unknown_keys() {
            let Some(value) = self.0.values.get(section) else {
                continue;
            };
            let asked = self.asked();
            let names = value.content.names();
            let meant =
                |name: &String| [spelling::flat_key(section, name), spelling::upper_key(name)];
            let known = names
                .iter()
                .flat_map(meant)
                .find(|key| asked.contains(&**key));
            if let Some(key) = known {
                return Err(in_section(section, value, &key));
            }
        }
        Ok(())
    }

    /// A sentence for each key of a component that the site does not have.
    #[cfg(feature = "cli")]
    pub(crate) fn warnings_of_absent(&self) -> Vec<String> {
        let unknown = self.unknown_keys();
        let asked = self.asked();
        let warning = |key: &str| {
            let component = absent::component(key, &asked)?;
            let text = format_args!("is set, but the site has no {component}");
            Some(self.error(key, text).to_string())
        };
        unknown.into_iter().filter_map(warning).collect()
    }

    /// A sentence for each other unknown key, with the nearest key that is known.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let unknown = self.unknown_keys();
        let asked = self.asked();
        unknown
            .into_iter()
            .filter(|key| absent::component(key, &asked).is_none())
            .map(|key| match spelling::nearest(key, asked.iter().copied()) {
                Some(known) => self.error(
                    key,
                    format_args!("no such setting; did you mean `{known}`?"),
                ),
                None => self.error(key, "no part of this site knows this setting"),
            })
            .map(|error| error.to_string())
            .collect()
    }

    fn folders(&self) -> std::sync::MutexGuard<'_, Folders> {
        self.0
            .folders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, BTreeSet<&'static str>> {
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A section in place of a key.
fn in_section(section: &str, value: &Value, key: &str) -> SettingsError {
    let message = format_args!(
        "settings are one flat table without sections; leave [{section}] out, and write `{key} = …`"
    );
    value.error(section, message)
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
mod tests;
