//! The deserializer of forms. It knows the name of the field it is at.
//!
//! It does one of two things. It reads what was sent; or, with nothing sent, it asks a type for its
//! fields: everything is handed over then, each value is a stand-in, and what the type asks for is
//! noted.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::name;
use super::read_error::ReadError;
use super::stand_in;
use super::tree::{Entry, Node};
use super::upload::{self, Upload};
use crate::http::fields::{self, Problem};

/// How deep a type is asked for its fields: types may contain themselves.
const MAX_SHAPE_DEPTH: usize = 4;

/// What a type asked for at one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    Text,
    Whole { is_signed: bool },
    Number,
    YesOrNo,
    Choice(&'static [&'static str]),
    File,
    Struct(Vec<&'static str>),
    List,
}

/// One reading of a form.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The fields that are handed over although they were not sent, as the type wants them. With
    /// `rows[].done` all rows have one.
    pub(super) supplied: HashSet<String>,
    /// The fields that were refused, and which stand-in each has.
    pub(super) stand_ins: HashMap<String, usize>,
    /// Where the type has shown which stand-in a field takes: the first to try.
    pub(super) first: HashMap<String, usize>,
    /// The fields that take no stand-in, and those around them: handed over last, so that all others
    /// are read.
    pub(super) last: HashSet<String>,
    /// What was asked for, where the type is asked for its fields.
    pub(super) asked: Option<RefCell<BTreeMap<String, Asked>>>,
    /// Fields that are not handed over: to see whether they may be missing, and as they are there
    /// under another of their names.
    pub(super) held_back: HashSet<String>,
}

impl Reading {
    fn note(&self, name: &str, what: Asked) {
        if let Some(asked) = &self.asked {
            asked.borrow_mut().entry(name.to_owned()).or_insert(what);
        }
    }

    fn is_asking(&self) -> bool {
        self.asked.is_some()
    }
}

pub(super) struct Reader<'a> {
    node: Option<&'a Node>,
    /// One text of several under a name: the element of a list.
    single: Option<&'a Entry>,
    name: String,
    /// A stand-in, as what is around it is one.
    forced: Option<usize>,
    reading: &'a Reading,
}

impl<'a> Reader<'a> {
    pub(super) fn new(node: &'a Node, reading: &'a Reading) -> Self {
        Self {
            node: Some(node),
            single: None,
            name: String::new(),
            forced: None,
            reading,
        }
    }

    fn inner(&self, part: &str) -> Self {
        let name = name::join(&self.name, part);
        Self {
            node: self.node.and_then(|node| node.fields.get(part)),
            single: None,
            forced: self.refused(),
            name,
            reading: self.reading,
        }
    }

    /// The stand-in of what was refused.
    fn refused(&self) -> Option<usize> {
        let own = || self.reading.stand_ins.get(&self.name).copied();
        self.forced.or_else(own)
    }

    fn stand_in(&self) -> Option<usize> {
        self.refused()
            .or_else(|| self.reading.is_asking().then_some(0))
    }

    /// What was sent for this field: of several, the last counts, so that a hidden field can stand
    /// before a checkbox.
    fn entry(&self) -> Option<&'a Entry> {
        let last = || self.node.and_then(|node| node.entries.last());
        self.single.or_else(last)
    }

    fn is_empty(&self) -> bool {
        match (self.single, self.node) {
            (Some(entry), _) => entry.is_empty(),
            (None, node) => node.is_none_or(Node::is_empty),
        }
    }

    /// The text to read a value from.
    fn text(&self) -> Result<&'a str, ReadError> {
        let text = match self.entry() {
            Some(Entry::Text(text)) => Ok(text.as_str()),
            Some(Entry::Unreadable) => Err(Problem::Unreadable),
            Some(Entry::File(_) | Entry::Unwanted) => Err(Problem::Text),
            None => Err(Problem::Required),
        };
        text.map_err(|problem| ReadError::from(problem).of(&self.name))
    }

    /// The same where nothing is not a value.
    fn filled_text(&self) -> Result<&'a str, ReadError> {
        match self.text()? {
            "" => Err(ReadError::from(Problem::Required).of(&self.name)),
            text => Ok(text),
        }
    }

    /// The fields of a struct that are handed over, in their order.
    fn handed_over(&self, fields: &'static [&'static str]) -> Vec<&'static str> {
        let reading = self.reading;
        let all = name::of_all_elements(&self.name);
        let is_there = |field: &&str| {
            if reading.held_back.contains(&name::join(&self.name, field)) {
                return false;
            }
            let was_sent = || {
                self.node
                    .is_some_and(|node| node.fields.contains_key(*field))
            };
            let is_supplied = || reading.supplied.contains(&name::join(&all, field));
            reading.is_asking() || was_sent() || is_supplied()
        };
        let mut handed: Vec<_> = fields.iter().copied().filter(is_there).collect();
        if !reading.last.is_empty() {
            handed.sort_by_key(|field| reading.last.contains(&name::join(&self.name, field)));
        }
        handed
    }

    /// The elements of a list that was sent.
    fn elements(&self) -> Vec<Self> {
        let Some(node) = self.node else {
            return Vec::new();
        };
        let numbered = (0..node.fields.len()).map(|number| self.inner(&number.to_string()));
        let mut elements: Vec<_> = numbered.filter(|element| element.node.is_some()).collect();
        for entry in node.filled() {
            let number = elements.len().to_string();
            elements.push(Self {
                node: None,
                single: Some(entry),
                ..self.inner(&number)
            });
        }
        elements
    }

    fn depth(&self) -> usize {
        self.name.matches(['.', '[']).count()
    }

    fn file(&self) -> Result<Upload, ReadError> {
        let file = match self.entry() {
            Some(Entry::File(file)) => Ok(file.clone()),
            Some(Entry::Text(_) | Entry::Unreadable) => Err(Problem::File),
            Some(Entry::Unwanted) | None => Err(Problem::Required),
        };
        file.map_err(|problem| ReadError::from(problem).of(&self.name))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $asked:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            self.reading.note(&self.name, $asked);
            let read = match self.stand_in() {
                Some(number) => stand_in::number(number).and_then(|text| {
                    Ok(fields::Value::of(text).$method(visitor)?)
                }),
                None => self
                    .filled_text()
                    .and_then(|text| Ok(fields::Value::of(text.trim()).$method(visitor)?)),
            };
            read.map_err(|error| error.of(&self.name))
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
            Some(number) => stand_in::text(number),
            None => self.text(),
        };
        text.and_then(|text| visitor.visit_borrowed_str(text))
            .map_err(|error| error.of(&self.name))
    }

    texts! { deserialize_string deserialize_char deserialize_identifier }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    /// A checkbox that is not checked is not sent.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.reading.note(&self.name, Asked::YesOrNo);
        let read = match (self.stand_in(), self.entry()) {
            (Some(_), _) | (None, None) => visitor.visit_bool(false),
            (None, Some(_)) => self
                .text()
                .and_then(|text| Ok(fields::Value::of(text).deserialize_bool(visitor)?)),
        };
        read.map_err(|error| error.of(&self.name))
    }

    numbers! {
        deserialize_i8 visit_i8 Asked::Whole { is_signed: true };
        deserialize_i16 visit_i16 Asked::Whole { is_signed: true };
        deserialize_i32 visit_i32 Asked::Whole { is_signed: true };
        deserialize_i64 visit_i64 Asked::Whole { is_signed: true };
        deserialize_i128 visit_i128 Asked::Whole { is_signed: true };
        deserialize_u8 visit_u8 Asked::Whole { is_signed: false };
        deserialize_u16 visit_u16 Asked::Whole { is_signed: false };
        deserialize_u32 visit_u32 Asked::Whole { is_signed: false };
        deserialize_u64 visit_u64 Asked::Whole { is_signed: false };
        deserialize_u128 visit_u128 Asked::Whole { is_signed: false };
        deserialize_f32 visit_f32 Asked::Number;
        deserialize_f64 visit_f64 Asked::Number;
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
            Some(0) => Ok(Upload::default()),
            Some(_) => Err(stand_in::none_left()),
            None => self.file(),
        };
        file.and_then(|file| upload::lend(file, || visitor.visit_unit()))
            .map_err(|error| error.of(&self.name))
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
        let read = visitor.visit_seq(Elements(elements.into_iter()));
        read.map_err(|error| error.of(&self.name))
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
            return Err(ReadError::from(Problem::WrongCount).of(&self.name));
        }
        let read = visitor.visit_seq(Elements(elements.into_iter()));
        read.map_err(|error| error.of(&self.name))
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
            Some(number) => variants
                .get(number)
                .copied()
                .ok_or_else(stand_in::none_left),
            None => self.filled_text(),
        };
        variant
            .and_then(|variant| {
                let variant: StrDeserializer<'_, ReadError> = variant.into_deserializer();
                visitor.visit_enum(variant)
            })
            .map_err(|error| error.of(&self.name))
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

struct Elements<'a>(std::vec::IntoIter<Reader<'a>>);

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

struct Fields<'a> {
    rest: std::vec::IntoIter<(String, Reader<'a>)>,
    next: Option<Reader<'a>>,
}

impl<'a> Fields<'a> {
    fn new(fields: Vec<(String, Reader<'a>)>) -> Self {
        Self {
            rest: fields.into_iter(),
            next: None,
        }
    }

    /// An error before a field's value is read is about that field: it came twice.
    fn show<V: Visitor<'a>>(mut self, visitor: V, name: &str) -> Result<V::Value, ReadError> {
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
        let name = reader.name.clone();
        self.next = Some(reader);
        let key: StringDeserializer<ReadError> = key.into_deserializer();
        let key = seed.deserialize(key).map(Some);
        key.map_err(|error| error.of(&name))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some(reader) = self.next.take() else {
            return Err(Problem::Invalid.into());
        };
        let name = reader.name.clone();
        seed.deserialize(reader).map_err(|error| error.of(&name))
    }
}
