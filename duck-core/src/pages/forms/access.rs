//! What is inside of a list, a struct or a map, one after the other.

use serde::de::value::StringDeserializer;
use serde::de::{self, DeserializeSeed, Visitor};

use super::read_error::ReadError;
use super::reader::Reader;
use crate::http::fields::Problem;

/// The elements of a list.
pub(super) struct Elements<'a>(pub(super) std::vec::IntoIter<Reader<'a>>);

impl<'de> de::SeqAccess<'de> for Elements<'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        let Some(element) = self.0.next() else {
            return Ok(None);
        };
        let name = element.name.clone();
        let read = seed.deserialize(element).map(Some);
        read.map_err(|error| error.of(&name))
    }
}

/// The fields of a struct or a map.
pub(super) struct Fields<'a> {
    rest: std::vec::IntoIter<(String, Reader<'a>)>,
    next: Option<Reader<'a>>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(fields: Vec<(String, Reader<'a>)>) -> Self {
        Self {
            rest: fields.into_iter(),
            next: None,
        }
    }

    /// An error before a field's value is read is about that field: it came twice.
    pub(super) fn show<V: Visitor<'a>>(
        mut self,
        visitor: V,
        name: &str,
    ) -> Result<V::Value, ReadError> {
        let read = visitor.visit_map(&mut self);
        read.map_err(|error| match &self.next {
            Some(field) => error.of(&field.name),
            None => error.of(name),
        })
    }
}

impl<'de> de::MapAccess<'de> for &mut Fields<'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let Some((key, reader)) = self.rest.next() else {
            return Ok(None);
        };
        self.next = Some(reader);
        seed.deserialize(StringDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some(reader) = self.next.take() else {
            return Err(Problem::Invalid.into());
        };
        let name = reader.name.clone();
        seed.deserialize(reader).map_err(|error| error.of(&name))
    }
}
