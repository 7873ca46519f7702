//! What a setting holds, and how it reads as the type that is asked for.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{Deserialize, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};

use super::mismatch::Mismatch;

#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    List(Vec<Content>),
    /// TOML has these without quotes; they read as texts.
    Date(toml::value::Datetime),
    Table(BTreeMap<String, Content>),
    /// A variable of the environment: what it means depends on the type that is asked for.
    #[serde(skip)]
    Variable(String),
    /// The program set something that no settings file could hold; the text says why.
    #[serde(skip)]
    Unusable(String),
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Signed(number) => number.fmt(f),
            Self::Unsigned(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Text(text) | Self::Variable(text) => text.fmt(f),
            Self::Date(date) => date.fmt(f),
            Self::List(list) => {
                let texts: Vec<_> = list.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", texts.join(", "))
            }
            // Names in a table may be those of secrets: it is for who knows them.
            Self::Table(table) => write!(f, "{{{} keys}}", table.len()),
            Self::Unusable(why) => write!(f, "({why})"),
        }
    }
}

impl Content {
    /// What the program sets; `None` for a value that is none.
    pub(super) fn of(value: &impl Serialize) -> Option<Self> {
        match serde_json::to_value(value) {
            Ok(serde_json::Value::Null) => None,
            Ok(value) => Some(Self::deserialize(value).unwrap_or_else(|_| {
                Self::Unusable("no settings file could hold a `None` in a list or a table".into())
            })),
            Err(error) => Some(Self::Unusable(error.to_string())),
        }
    }

    /// Whether both are one value: a variable may say what stood in the file.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Variable(text), value) | (value, Self::Variable(text)) => {
                *text == value.to_string() || parse(text) == *value
            }
            _ => self == other,
        }
    }

    /// Whether a message has some of the value in it.
    pub(super) fn shows_in(&self, message: &str) -> bool {
        let shows = |text: &str| !text.is_empty() && message.contains(text);
        match self {
            Self::Bool(_) | Self::Unusable(_) => false,
            Self::Signed(number) => shows(&number.to_string()),
            Self::Unsigned(number) => shows(&number.to_string()),
            Self::Float(number) => shows(&number.to_string()),
            Self::Text(text) | Self::Variable(text) => shows(text),
            Self::Date(date) => shows(&date.to_string()),
            Self::List(list) => list.iter().any(|entry| entry.shows_in(message)),
            Self::Table(table) => table.values().any(|entry| entry.shows_in(message)),
        }
    }

    /// The names of what a table holds, each after the names in it: `cookie_age`, for the `age` of a
    /// `cookie`, and then `cookie`. Of anything else none.
    pub(super) fn names(&self) -> Vec<String> {
        let Self::Table(table) = self else {
            return Vec::new();
        };
        let mut names = Vec::new();
        for (name, content) in table {
            let inner = content.names();
            names.extend(inner.iter().map(|inner| format!("{name}_{inner}")));
            names.push(name.clone());
        }
        names
    }

    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Signed(number) => Unexpected::Signed(*number),
            Self::Unsigned(number) => Unexpected::Unsigned(*number),
            Self::Float(number) => Unexpected::Float(*number),
            Self::Text(text) | Self::Variable(text) => Unexpected::Str(text),
            Self::Date(_) => Unexpected::Other("a date"),
            Self::List(_) => Unexpected::Seq,
            Self::Table(_) => Unexpected::Map,
            Self::Unusable(_) => Unexpected::Other("this"),
        }
    }
}

/// As TOML if it is that, else as a text.
fn parse(text: &str) -> Content {
    toml::from_str::<BTreeMap<String, Content>>(&format!("value = {text}"))
        .ok()
        // A second line is no other key: the whole is one value.
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Content::Text(text.to_owned()))
}

/// A value reads as itself. A variable of the environment reads as what is asked for, and where the
/// type takes anything, as TOML if it is that, else as a text.
impl<'de> Deserializer<'de> for &Content {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self {
            Content::Bool(value) => visitor.visit_bool(*value),
            Content::Signed(number) => visitor.visit_i64(*number),
            Content::Unsigned(number) => visitor.visit_u64(*number),
            Content::Float(number) => visitor.visit_f64(*number),
            Content::Text(text) => visitor.visit_str(text),
            Content::Date(date) => visitor.visit_string(date.to_string()),
            Content::List(list) => {
                let reached = Cell::new(false);
                let entries = list.iter().inspect(|_| reached.set(true));
                let mut entries = SeqDeserializer::new(entries);
                let value = visitor.visit_seq(&mut entries);
                let value = value.map_err(|error| error.in_list(reached.get()))?;
                entries.end()?;
                Ok(value)
            }
            Content::Table(table) => {
                let fields = table.iter().map(|(key, value)| (key.as_str(), value));
                visitor.visit_map(MapDeserializer::new(fields))
            }
            Content::Variable(text) => parse(text).deserialize_any(visitor),
            Content::Unusable(why) => Err(Mismatch::custom(why)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self {
            Content::Variable(text) => visitor.visit_str(text),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self {
            Content::Text(text) | Content::Variable(text) => {
                visitor.visit_enum(text.as_str().into_deserializer())
            }
            Content::Table(table) => {
                let fields = table.iter().map(|(key, value)| (key.as_str(), value));
                visitor.visit_enum(MapAccessDeserializer::new(MapDeserializer::new(fields)))
            }
            other => Err(Mismatch::no_choice(&other.unexpected(), variants)),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

impl IntoDeserializer<'_, Mismatch> for &Content {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
