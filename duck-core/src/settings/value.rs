//! One setting: what it is and where it was set.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::Error as PlainError;
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};

use super::SettingsError;
use super::secrecy::without_secrets;

#[derive(Debug, Clone)]
pub(super) struct Value {
    content: Content,
    place: Place,
}

#[derive(Debug, Clone)]
enum Content {
    Toml(toml::Value),
    /// A variable of the environment: what it means depends on the type that is asked for.
    Text(String),
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
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        SettingsError::new(format!("{source}, line {line}: {}", error.message()))
    };
    let lines = toml::de::DeTable::parse(text).map_err(wrong)?;
    let table: toml::Table = toml::from_str(text).map_err(wrong)?;
    let lines: BTreeMap<_, _> = lines
        .get_ref()
        .iter()
        .map(|(key, _)| (key.get_ref().to_string(), line_of(text, key.span().start)))
        .collect();
    Ok(table
        .into_iter()
        .map(|(key, value)| {
            let line = lines.get(&key).copied().unwrap_or(1);
            let place = Place::Line {
                source: source.to_owned(),
                line,
            };
            (
                key,
                Value {
                    content: Content::Toml(value),
                    place,
                },
            )
        })
        .collect())
}

fn line_of(text: &str, place: usize) -> usize {
    1 + text
        .as_bytes()
        .iter()
        .take(place)
        .filter(|&&byte| byte == b'\n')
        .count()
}

impl Value {
    pub(super) fn set_by_program(value: toml::Value) -> Self {
        Self {
            content: Content::Toml(value),
            place: Place::Program,
        }
    }

    pub(super) fn from_env(text: String) -> Self {
        Self {
            content: Content::Text(text),
            place: Place::Environment,
        }
    }

    /// A variable of a `.env` file.
    pub(super) fn from_env_file(text: String, source: &str, line: usize) -> Self {
        let source = source.to_owned();
        Self {
            content: Content::Text(text),
            place: Place::Line { source, line },
        }
    }

    /// The value as `T`; the error names `key`.
    pub(super) fn read<T: DeserializeOwned>(&self, key: &str) -> Result<T, SettingsError> {
        T::deserialize(self).map_err(|error| self.error(key, without_secrets(key, error)))
    }

    pub(super) fn error(&self, key: &str, message: impl fmt::Display) -> SettingsError {
        SettingsError::new(match &self.place {
            Place::Line { source, line } => format!("{source}, line {line}: {key}: {message}"),
            Place::Environment => format!("environment variable DUCK_{key}: {message}"),
            Place::Program => format!("{key} (set by the program): {message}"),
        })
    }
}

/// A TOML value reads as itself. A text from the environment reads as what is asked for, and
/// where the type takes anything, as TOML if it is that, else as a string.
impl<'de> Deserializer<'de> for &Value {
    type Error = PlainError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PlainError> {
        let parsed = match &self.content {
            Content::Toml(value) => value.clone(),
            Content::Text(text) => parse(text),
        };
        parsed.deserialize_any(visitor).map_err(plain)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PlainError> {
        match &self.content {
            Content::Toml(_) => self.deserialize_any(visitor),
            Content::Text(text) => visitor.visit_str(text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PlainError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PlainError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PlainError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PlainError> {
        match &self.content {
            Content::Toml(value) => value
                .clone()
                .deserialize_enum(name, variants, visitor)
                .map_err(plain),
            Content::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

fn parse(text: &str) -> toml::Value {
    toml::from_str::<toml::Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

/// The error without the place that `toml` adds: a value taken alone has no lines.
fn plain(error: impl fmt::Display) -> PlainError {
    de::Error::custom(error.to_string().trim_end())
}
