//! The deserializer of forms.
//!
//! It does one of two things. It reads what was sent; or, with nothing sent, it asks a type for its
//! fields: everything is handed over then, each value is a stand-in, and what the type asks for is
//! noted. Errors do not know their field here: `access.rs` names it.

use serde::de::value::StrDeserializer;
use serde::de::{self, Visitor};

use super::access::{Elements, Fields};
use super::name;
use super::read_error::ReadError;
use super::reader::Reader;
use super::reading::Asked;
use super::stand_in;
use super::tree::Node;
use super::upload::{self, Upload};
use crate::http::fields::{self, Problem};

/// How deep a type is asked for its fields: types may contain themselves.
const MAX_SHAPE_DEPTH: usize = 4;

macro_rules! numbers {
    ($($method:ident $asked:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            self.reading.note(&self.name, $asked);
            let text = match self.stand_in() {
                Some(number) => stand_in::number(number)?,
                None => self.filled_text()?.trim(),
            };
            Ok(fields::Value::of(text).$method(visitor)?)
        }
    )*};
}

macro_rules! texts {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            self.deserialize_str(visitor)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Reader<'de> {
    type Error = ReadError;

    /// For types that look at what is there: those with `#[serde(flatten)]` or `untagged`.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let (fields, entries) = self
            .node
            .map_or((0, 0), |node| (node.fields.len(), node.entries.len()));
        let is_list = |node: &Node| node.fields.keys().all(|key| name::is_number(key));
        match (fields, entries) {
            (0, 0 | 1) => self.deserialize_str(visitor),
            (0, _) => self.deserialize_seq(visitor),
            _ if self.node.is_some_and(is_list) => self.deserialize_seq(visitor),
            _ => self.deserialize_map(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.reading.note(&self.name, Asked::Text);
        let text = match self.stand_in() {
            Some(number) => stand_in::text(number)?,
            None => self.text()?,
        };
        visitor.visit_borrowed_str(text)
    }

    texts! { deserialize_string deserialize_char deserialize_identifier deserialize_bytes deserialize_byte_buf }

    /// A checkbox that is not checked is not sent.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.reading.note(&self.name, Asked::YesOrNo);
        match (self.stand_in(), self.entry()) {
            (Some(_), _) | (None, None) => visitor.visit_bool(false),
            (None, Some(_)) => Ok(fields::Value::of(self.text()?).deserialize_bool(visitor)?),
        }
    }

    numbers! {
        deserialize_i8 Asked::Whole { is_signed: true };
        deserialize_i16 Asked::Whole { is_signed: true };
        deserialize_i32 Asked::Whole { is_signed: true };
        deserialize_i64 Asked::Whole { is_signed: true };
        deserialize_i128 Asked::Whole { is_signed: true };
        deserialize_u8 Asked::Whole { is_signed: false };
        deserialize_u16 Asked::Whole { is_signed: false };
        deserialize_u32 Asked::Whole { is_signed: false };
        deserialize_u64 Asked::Whole { is_signed: false };
        deserialize_u128 Asked::Whole { is_signed: false };
        deserialize_f32 Asked::Number;
        deserialize_f64 Asked::Number;
    }

    /// An input that was left empty is sent as an empty text.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let reading = self.reading;
        let is_none = if reading.is_asking() {
            self.depth() > MAX_SHAPE_DEPTH || reading.last.contains(&self.name)
        } else {
            self.stand_in().is_some() || self.is_empty()
        };
        if is_none {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        type_name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if type_name != upload::TYPE_NAME {
            return visitor.visit_newtype_struct(self);
        }
        self.reading.note(&self.name, Asked::File);
        let file = match self.stand_in() {
            Some(0) => Upload::default(),
            Some(_) => return Err(stand_in::NONE_LEFT.into()),
            None => self.file()?,
        };
        upload::lend(file, || visitor.visit_unit())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.reading.note(&self.name, Asked::List);
        let elements = if self.reading.is_asking() {
            let first = self.inner("0");
            let is_seen =
                self.depth() <= MAX_SHAPE_DEPTH && !self.reading.last.contains(&first.name);
            is_seen.then_some(first).into_iter().collect()
        } else if self.stand_in().is_some() {
            Vec::new()
        } else {
            self.elements()
        };
        visitor.visit_seq(Elements(elements.into_iter()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.reading.note(&self.name, Asked::List);
        let elements: Vec<_> = match self.stand_in() {
            Some(_) => (0..length)
                .map(|number| self.inner(&number.to_string()))
                .collect(),
            None => self.elements(),
        };
        if elements.len() > length {
            return Err(Problem::WrongCount.into());
        }
        visitor.visit_seq(Elements(elements.into_iter()))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.reading
            .note(&self.name, Asked::Struct(fields.to_vec()));
        let handed = self.handed_over(fields);
        let inner = handed
            .into_iter()
            .map(|field| (field.to_owned(), self.inner(field)));
        Fields::new(inner.collect()).show(visitor, &self.name)
    }

    /// All that was sent, and what the type has missed.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let all = name::of_all_elements(&self.name);
        let sent = self
            .node
            .into_iter()
            .flat_map(|node| node.fields.keys().cloned());
        let mut handed: Vec<String> = sent.collect();
        for supplied in &self.reading.supplied {
            let part = supplied
                .strip_prefix(&*all)
                .map(|part| part.trim_start_matches('.'));
            if let Some(part) = part
                && !part.contains(['.', '['])
                && !handed.iter().any(|name| name == part)
            {
                handed.push(part.to_owned());
            }
        }
        let inner = handed.into_iter().map(|part| {
            let reader = self.inner(&part);
            (part, reader)
        });
        Fields::new(inner.collect()).show(visitor, &self.name)
    }

    /// One of several choices, by its name.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.reading.note(&self.name, Asked::Choice(variants));
        let variant = match self.stand_in() {
            Some(number) => variants.get(number).copied().ok_or(stand_in::NONE_LEFT)?,
            None => self.filled_text()?,
        };
        visitor.visit_enum(StrDeserializer::new(variant))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }
}
