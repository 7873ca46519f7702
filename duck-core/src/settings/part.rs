//! Reads a struct from the flat table: the struct's fields say which keys it knows.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::error::SettingsError;
use super::mismatch::Mismatch;
use super::value::Value;

pub(super) struct Part<'a, F> {
    values: &'a BTreeMap<String, Value>,
    ask: F,
    /// The key being read, for the error.
    current: &'a Cell<Option<&'static str>>,
}

impl<F: Fn(&'static str)> Part<'_, F> {
    pub(super) fn read<T: DeserializeOwned>(
        values: &BTreeMap<String, Value>,
        ask: F,
    ) -> Result<T, SettingsError> {
        let current = Cell::new(None);
        T::deserialize(Part {
            values,
            ask,
            current: &current,
        })
        .map_err(|error| {
            match current
                .get()
                .and_then(|key| values.get(key).map(|value| (key, value)))
            {
                Some((key, value)) => value.mismatch(key, error),
                None => not_of_a_key(&error),
            }
        })
    }
}

fn not_of_a_key(error: &Mismatch) -> SettingsError {
    SettingsError::new(match error {
        Mismatch::Missing(key) => format!(
            "{key} (not set): has no default; write it into the settings file, or set DUCK_{key} in the environment"
        ),
        other => other.to_string(),
    })
}

impl<'de, F: Fn(&'static str)> Deserializer<'de> for Part<'_, F> {
    type Error = Mismatch;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        for field in fields {
            (self.ask)(field);
        }
        visitor.visit_map(Fields {
            part: self,
            left: fields,
        })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Mismatch> {
        Err(de::Error::custom(
            "a part of the settings is a struct with named fields",
        ))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Those of a struct's fields that are set.
struct Fields<'a, F> {
    part: Part<'a, F>,
    left: &'static [&'static str],
}

impl<'de, F> MapAccess<'de> for Fields<'_, F> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Mismatch> {
        while let [key, rest @ ..] = self.left {
            self.left = rest;
            if self.part.values.contains_key(*key) {
                self.part.current.set(Some(key));
                return seed
                    .deserialize(de::value::StrDeserializer::new(key))
                    .map(Some);
            }
        }
        self.part.current.set(None);
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        match self
            .part
            .current
            .get()
            .and_then(|key| self.part.values.get(key))
        {
            Some(value) => seed.deserialize(&value.content),
            None => Err(de::Error::custom("a value was asked for before its key")),
        }
    }
}
