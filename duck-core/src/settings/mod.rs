//! `settings.toml`: read once, then asked by each part of the framework for its own keys.

mod env_file;
mod error;
mod part;
mod secrecy;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;

use self::env_file::Variable;
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
/// beside the file may hold such variables too), or from the program, which stands over both. Each part of
/// a site reads its own keys as a struct with [`part`](Self::part); a mistake there names the key, the file
/// and the line, and quotes no value that may be secret.
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
    /// When there is no such file, or it is not TOML, or the `.env` beside it cannot be read: the error
    /// has the line, and nothing that is on it.
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
    /// The environment stands over the files.
    fn add_env(
        &mut self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<(), SettingsError> {
        for (name, text) in variables {
            let Some(key) = name.to_str().and_then(key_of) else {
                continue;
            };
            let text = text.into_string().map_err(|_| {
                SettingsError::new(format!(
                    "environment variable {ENV_PREFIX}{key}: the value is not UTF-8 text"
                ))
            })?;
            self.values.insert(key.to_owned(), Value::from_env(text));
        }
        Ok(())
    }

    /// `.env` beside the settings file stands over that, and under the environment itself.
    fn add_env_file(&mut self, file: &Path) -> Result<(), SettingsError> {
        for Variable { name, value, line } in env_file::read(file).map_err(SettingsError::new)? {
            if let Some(key) = key_of(&name) {
                let value = Value::from_env_file(value, ".env", line);
                self.values.insert(key.to_owned(), value);
            }
        }
        Ok(())
    }
}

/// The key that a variable sets, if it sets one.
fn key_of(name: &str) -> Option<&str> {
    name.strip_prefix(ENV_PREFIX)
        .filter(|key| !key.is_empty() && name != ENV_FILE)
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
        inner
            .add_env(
                env.into_iter()
                    .map(|(key, value)| (key.into(), value.into())),
            )
            .unwrap();
        let mail: Mail = Settings(Arc::new(inner)).part().unwrap();
        assert_eq!(
            (mail.mail_port, mail.use_tls, mail.mail_from.as_str()),
            (Some(2525), true, "0123")
        );
    }

    #[test]
    fn a_wrong_variable_is_named_as_such() {
        let mut inner = Inner::default();
        let variable = ("DUCK_MAIL_PORT".into(), "x".into());
        inner.add_env([variable].into_iter()).unwrap();
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

    /// Settings of a folder with these two files, and no variables of the environment.
    fn settings_of(env_file: impl AsRef<[u8]>, toml: &str) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        std::fs::write(&file, env_file).unwrap();
        let mut inner = Inner {
            values: value::from_toml(toml, "settings.toml")?,
            ..Inner::default()
        };
        inner.add_env_file(&file)?;
        Ok(Settings(Arc::new(inner)))
    }

    #[test]
    fn a_faulty_env_file_keeps_its_values_to_itself() {
        let error = settings_of("DUCK_SECRET_KEY=hush\nhush hush", "").unwrap_err();
        assert!(error.to_string().contains(".env, line 2: "), "{error}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }

    #[test]
    fn a_wrong_value_in_the_env_file_is_named_with_its_line() {
        let settings = settings_of("# mail\nDUCK_MAIL_PORT=x", "MAIL_PORT = 25").unwrap();
        let error = settings.part::<Mail>().unwrap_err().to_string();
        assert!(error.starts_with(".env, line 2: MAIL_PORT: "), "{error}");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_key() {
        let bom = '\u{feff}';
        let settings = settings_of(
            format!("{bom}DUCK_MAIL_PORT=2525"),
            &format!("{bom}MAIL_FROM = 'x'"),
        );
        let mail: Mail = settings.unwrap().part().unwrap();
        assert_eq!((mail.mail_port, mail.mail_from.as_str()), (Some(2525), "x"));
    }

    #[test]
    fn a_dollar_sign_does_not_shorten_a_key() {
        let key = "a$b${HOME}c$(d)`e`\\n#f";
        for text in [key.to_owned(), format!("'{key}'"), format!("\"{key}\"")] {
            let settings = settings_of(format!("DUCK_SECRET_KEY={text}"), "").unwrap();
            let read: Option<String> = settings.get("SECRET_KEY").unwrap();
            assert_eq!(read.as_deref(), Some(key), "{text}");
        }
    }

    #[test]
    fn lists_in_the_env_file_keep_their_quotes() {
        for text in ["[\"10.0.0.0/8\"]", "'[\"10.0.0.0/8\"]'", "[ '10.0.0.0/8' ]"] {
            let settings = settings_of(format!("DUCK_TRUSTED_PROXIES={text}"), "").unwrap();
            let proxies: Option<Vec<String>> = settings.get("TRUSTED_PROXIES").unwrap();
            assert_eq!(proxies, Some(vec!["10.0.0.0/8".to_owned()]), "{text}");
        }
    }

    #[test]
    fn what_may_be_secret_is_in_no_error() {
        for key in [
            "SECRET_KEY",
            "DATABASE_URL",
            "MAIL_PASSWORD",
            "API_TOKEN",
            "signing_seed",
        ] {
            let key: &'static str = key;
            for value in [
                "'hush'",
                "741853",
                "['hush', 741853]",
                "{ hush = 741853 }",
                "7418.53",
            ] {
                let settings = Settings::from_toml(&format!("{key} = {value}")).unwrap();
                let variable = settings_of(format!("DUCK_{key}={value}"), "").unwrap();
                for settings in [settings, variable] {
                    for error in [
                        settings.get::<bool>(key).unwrap_err(),
                        settings.get::<(bool, bool)>(key).unwrap_err(),
                        settings.get::<std::net::IpAddr>(key).unwrap_err(),
                        settings.get::<Choice>(key).unwrap_err(),
                    ] {
                        let error = error.to_string();
                        assert!(error.contains("line 1: "), "{error}");
                        assert!(
                            !error.contains("hush") && !error.contains("7418"),
                            "{error}"
                        );
                    }
                }
            }
        }
    }

    #[derive(Debug, serde::Deserialize)]
    enum Choice {}

    #[test]
    fn a_secret_of_the_wrong_type_is_told_what_it_should_be() {
        #[derive(Debug, serde::Deserialize)]
        struct Keys {
            #[serde(rename = "SECRET_KEY")]
            _secret_key: String,
        }
        let settings = Settings::from_toml("\nSECRET_KEY = 741853").unwrap();
        let error = settings.part::<Keys>().unwrap_err().to_string();
        assert!(
            error.contains("line 2: SECRET_KEY: expected a string"),
            "{error}"
        );
        assert!(!error.contains("741853"), "{error}");
    }

    #[test]
    fn broken_toml_keeps_its_values_to_itself() {
        for line in [
            "SECRET_KEY = hush",
            "SECRET_KEY = 'hush",
            "SECRET_KEY = \"hush\\q\"",
            "SECRET_KEY = 'hush' 'hush'",
            "SECRET_KEY = hush-hush",
            "SECRET_KEY 'hush'",
            "SECRET_KEY: 'hush'",
            "hush hush",
            "SECRET_KEY = ['hush'",
            "SECRET_KEY = 1hush",
            "SECRET_KEY = 'a'\nSECRET_KEY = 'hush'",
            "SECRET_KEY = \"hush\u{1}\"",
        ] {
            let error = Settings::from_toml(line).unwrap_err().to_string();
            assert!(
                error.contains("line ") && !error.contains("hush"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_variable_that_is_not_text_is_an_error_and_others_are_no_concern() {
        use std::os::unix::ffi::OsStringExt;
        let broken = || OsString::from_vec(b"hush\xff".to_vec());
        let mut inner = Inner::default();
        let others = [("PATH".into(), broken()), (broken(), "x".into())];
        inner.add_env(others.into_iter()).unwrap();
        let variable = [("DUCK_SECRET_KEY".into(), broken())];
        let error = inner.add_env(variable.into_iter()).unwrap_err().to_string();
        assert!(
            error.contains("DUCK_SECRET_KEY") && !error.contains("hush"),
            "{error}"
        );
    }
}
