//! The fields of a form or a query: names and texts, read as a type.

mod error;
mod problem;
mod value;

use std::borrow::Cow;
use std::collections::HashMap;
use std::vec;

use percent_encoding::percent_decode;
use serde::de::value::SeqDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Visitor};
use serde::forward_to_deserialize_any;
use smallvec::smallvec;

pub(crate) use self::error::{FieldError, shown};
#[cfg_attr(
    not(feature = "forms"),
    expect(unreachable_pub, reason = "it is `duck::forms::Problem`")
)]
pub use self::problem::Problem;
use self::value::Text;
pub(crate) use self::value::Value;
#[cfg(feature = "forms")]
pub(crate) use self::value::yes_or_no;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Bytes without the mark that some editors and systems put before a text.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

/// Names and texts in the order they came, decoded. That they are UTF-8 is found when they are read.
#[derive(Debug)]
pub(crate) struct Fields<'a>(Vec<(Text<'a>, Text<'a>)>);

impl<'a> Fields<'a> {
    /// Takes a form or a query apart: URL standard, 5.1. `None` where there are more fields than that:
    /// a form of 2 MiB could have a million, which take far more memory apart than together.
    pub(crate) fn parse(encoded: &'a [u8], max_fields: usize) -> Option<Self> {
        let pieces = encoded.split(|byte| *byte == b'&');
        let mut pairs = Vec::new();
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            if pairs.len() == max_fields {
                return None;
            }
            let end = piece.iter().position(|byte| *byte == b'=');
            let (name, text) = piece.split_at(end.unwrap_or(piece.len()));
            pairs.push((decode(name), decode(text.get(1..).unwrap_or_default())));
        }
        if let Some((name, _)) = pairs.first_mut()
            && name.starts_with(BYTE_ORDER_MARK)
        {
            *name = Cow::Owned(without_mark(name).to_vec());
        }
        Some(Self(pairs))
    }

    /// Names and texts as they came.
    #[cfg(feature = "forms")]
    pub(crate) fn into_pairs(self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        let pairs = self.0.into_iter();
        pairs.map(|(name, text)| (name.into_owned(), text.into_owned()))
    }

    #[cfg(feature = "multipart")]
    pub(crate) fn from_texts(fields: &'a [(String, String)]) -> Self {
        let text = |text: &'a String| Cow::Borrowed(text.as_bytes());
        let pairs = fields.iter().map(|(name, value)| (text(name), text(value)));
        Self(pairs.collect())
    }

    /// The first text of this name that is UTF-8.
    pub(crate) fn first(self, name: &str) -> Option<String> {
        let texts = self
            .0
            .into_iter()
            .filter(|(key, _)| **key == *name.as_bytes());
        let mut texts = texts.map(|(_, text)| text);
        texts.find_map(|text| String::from_utf8(text.into_owned()).ok())
    }

    /// Refuses what is not UTF-8, whether anybody reads it or not.
    pub(crate) fn check_text(&self) -> Result<(), FieldError> {
        let broken = |text: &[u8]| std::str::from_utf8(text).is_err();
        match self
            .0
            .iter()
            .find(|(name, text)| broken(name) || broken(text))
        {
            Some((name, _)) if broken(name) => Err(FieldError::new(Problem::UnreadableName)),
            Some((name, _)) => Err(FieldError::not_text().of(name)),
            None => Ok(()),
        }
    }

    /// Reads them as a type: a struct or a map, in which texts of one name are one value, or a list
    /// of pairs.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<T, FieldError> {
        T::deserialize(self)
    }

    /// The texts of one name together, at the place of the first.
    fn grouped(self) -> Vec<(Text<'a>, Value<'a>)> {
        let mut groups: Vec<(Text<'a>, Value<'a>)> = Vec::with_capacity(self.0.len());
        let mut places = HashMap::with_capacity(self.0.len());
        for (name, text) in self.0 {
            let place = *places.entry(name.clone()).or_insert(groups.len());
            match groups.get_mut(place) {
                Some((_, value)) => value.0.push(text),
                None => groups.push((name, Value(smallvec![text]))),
            }
        }
        groups
    }
}

fn decode(text: &[u8]) -> Text<'_> {
    if !text.contains(&b'+') {
        return percent_decode(text).into();
    }
    let spaced: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    Cow::Owned(percent_decode(&spaced).collect())
}

impl<'de> de::Deserializer<'de> for Fields<'de> {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_map(Groups {
            groups: self.grouped().into_iter(),
            next: None,
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_seq(Pairs(self.0.into_iter()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit_struct tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// For structs and maps.
struct Groups<'a> {
    groups: vec::IntoIter<(Text<'a>, Value<'a>)>,
    next: Option<(Text<'a>, Value<'a>)>,
}

impl<'de> de::MapAccess<'de> for Groups<'de> {
    type Error = FieldError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, FieldError> {
        let Some((name, value)) = self.groups.next() else {
            return Ok(None);
        };
        let key = seed.deserialize(Value(smallvec![name.clone()]));
        let key = key.map_err(|error| error.of(&name))?;
        self.next = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, FieldError> {
        let (name, value) = self.next.take().unwrap_or_default();
        seed.deserialize(value).map_err(|error| error.of(&name))
    }
}

/// For lists of pairs.
struct Pairs<'a>(vec::IntoIter<(Text<'a>, Text<'a>)>);

impl<'de> de::SeqAccess<'de> for Pairs<'de> {
    type Error = FieldError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, FieldError> {
        let Some((name, text)) = self.0.next() else {
            return Ok(None);
        };
        let pair = [Value(smallvec![name.clone()]), Value(smallvec![text])];
        let pair = seed.deserialize(SeqDeserializer::new(pair.into_iter()));
        pair.map(Some).map_err(|error| error.of(&name))
    }
}
