//! One setting: what it holds and where it was set.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::content::Content;
use super::error::SettingsError;
use super::mismatch::Mismatch;
use super::syntax;

#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) content: Content,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Line { source: String, line: usize },
    Environment,
    Program,
}

/// The top-level keys of a TOML text, each with its line.
pub(super) fn from_toml(
    text: &str,
    source: &str,
) -> Result<BTreeMap<String, Value>, SettingsError> {
    let wrong = |error: toml::de::Error| {
        let place = error.span().map_or(0, |span| span.start);
        let (line, message) = (line_of(text, place), syntax::explain(text, place, &error));
        SettingsError::new(format!("{source}, line {line}: {message}"))
    };
    let lines = toml::de::DeTable::parse(text).map_err(wrong)?;
    let table: BTreeMap<String, Content> = toml::from_str(text).map_err(wrong)?;
    let lines: BTreeMap<_, _> = lines
        .get_ref()
        .iter()
        .map(|(key, _)| (key.get_ref().to_string(), line_of(text, key.span().start)))
        .collect();
    let value = |(key, content): (String, Content)| {
        let line = lines.get(&key).copied().unwrap_or(1);
        let source = source.to_owned();
        let place = Place::Line { source, line };
        (key, Value { content, place })
    };
    Ok(table.into_iter().map(value).collect())
}

/// What a struct or a map of the program holds.
pub(super) fn from_struct(
    values: &impl Serialize,
) -> Result<BTreeMap<String, Value>, SettingsError> {
    match serde_json::to_value(values) {
        Ok(serde_json::Value::Object(fields)) => Ok(fields
            .into_iter()
            .filter_map(|(key, value)| Some((key, Value::set_by_program(&value)?)))
            .collect()),
        Ok(_) => Err(SettingsError::new(
            "settings are a struct with named fields, or a map".into(),
        )),
        Err(error) => Err(SettingsError::new(format!(
            "the settings of the program cannot be read: {error}"
        ))),
    }
}

fn line_of(text: &str, place: usize) -> usize {
    let before = text.as_bytes().iter().take(place);
    1 + before.filter(|&&byte| byte == b'\n').count()
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.content.fmt(f)
    }
}

impl Value {
    /// `None` for a value that is none.
    pub(super) fn set_by_program(value: &impl Serialize) -> Option<Self> {
        Some(Self {
            content: Content::of(value)?,
            place: Place::Program,
        })
    }

    /// Whether it stands over all files and variables.
    pub(super) fn is_of_program(&self) -> bool {
        matches!(self.place, Place::Program)
    }

    pub(super) fn from_env(text: String) -> Self {
        Self {
            content: Content::Variable(text),
            place: Place::Environment,
        }
    }

    /// A variable of a `.env` file.
    pub(super) fn from_env_file(text: String, source: &str, line: usize) -> Self {
        let source = source.to_owned();
        Self {
            content: Content::Variable(text),
            place: Place::Line { source, line },
        }
    }

    /// Whether it stands in a settings file.
    #[cfg(feature = "cli")]
    pub(super) fn is_of_settings_file(&self) -> bool {
        let is_variable = matches!(self.content, Content::Variable(_));
        matches!(self.place, Place::Line { .. }) && !is_variable
    }

    /// The value as `T`; the error names `key`.
    pub(super) fn read<T: DeserializeOwned>(&self, key: &str) -> Result<T, SettingsError> {
        T::deserialize(&self.content).map_err(|error| self.mismatch(key, error))
    }

    /// A value that does not fit. It is not in the error, also where the type that refuses it says it.
    pub(super) fn mismatch(&self, key: &str, error: Mismatch) -> SettingsError {
        match error {
            Mismatch::Foreign(message) if self.content.shows_in(&message) => {
                self.error(key, "this value does not fit")
            }
            error => self.error(key, error),
        }
    }

    pub(super) fn error(&self, key: &str, message: impl fmt::Display) -> SettingsError {
        SettingsError::new(match &self.place {
            Place::Line { source, line } => format!("{source}, line {line}: {key}: {message}"),
            Place::Environment => format!("environment variable DUCK_{key}: {message}"),
            Place::Program => format!("{key} (set by the program): {message}"),
        })
    }
}
