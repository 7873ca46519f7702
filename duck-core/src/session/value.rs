//! Values as JSON, and only those that JSON gives back the same.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::{
    Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use smallvec::SmallVec;

use crate::session::error::SessionError;

/// A value as JSON. Most are short: they stay on the stack.
pub(super) type Json = SmallVec<[u8; 128]>;

/// Why a value is refused: read again, it would be another one, or none.
const NOT_FINITE: &str = "cannot be stored: NaN and infinity are no numbers in JSON";
const NOTHING_IN_SOME: &str =
    "cannot be stored: `Some` of nothing (`Some(None)`, `Some(())`) would come back as `None`";
const TOO_DEEP: &str =
    "cannot be stored: it is nested more than 127 deep, and could not be read again";
const TWICE: &str = "cannot be stored: a map or a flattened struct has one key twice";

/// A value as JSON.
pub(super) fn encode<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Json, SessionError> {
    let mut json = Json::new();
    let written = serde_json::to_writer(&mut json, &Exact::new(value));
    let checked = written.and_then(|()| refuse_if(json.spilled() && is_too_deep(&json), TOO_DEEP));
    checked.map_err(|error| SessionError::value(key, &error))?;
    Ok(json)
}

/// Whether a JSON text is nested deeper than `serde_json` reads. Few texts have so many brackets at all.
fn is_too_deep(json: &[u8]) -> bool {
    let brackets = json.iter().filter(|byte| matches!(byte, b'[' | b'{'));
    brackets.count() > 127
        && serde_json::from_slice::<serde_json::Value>(json)
            .is_err_and(|error| error.to_string().starts_with("recursion limit"))
}

pub(super) fn decode<T: DeserializeOwned>(key: &str, json: &[u8]) -> Result<T, SessionError> {
    serde_json::from_slice(json).map_err(|error| SessionError::value(key, &error))
}

/// A value, or a serializer, that refuses what JSON does not give back the same.
struct Exact<T> {
    inner: T,
    /// Whether this is what a `Some` holds: JSON writes `Some(x)` as `x`.
    in_some: bool,
}

impl<T> Exact<T> {
    fn new(inner: T) -> Self {
        Self {
            inner,
            in_some: false,
        }
    }

    /// Nothing, which JSON writes as `null`.
    fn nothing<E: Error>(&self) -> Result<(), E> {
        refuse_if(self.in_some, NOTHING_IN_SOME)
    }
}

fn refuse_if<E: Error>(refused: bool, why: &str) -> Result<(), E> {
    if refused { Err(E::custom(why)) } else { Ok(()) }
}

impl<T: Serialize + ?Sized> Serialize for Exact<&T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.inner.serialize(Exact {
            inner: serializer,
            in_some: self.in_some,
        })
    }
}

macro_rules! as_it_is {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        })*
    };
}

macro_rules! if_finite {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            refuse_if(!value.is_finite(), NOT_FINITE)?;
            self.inner.$method(value)
        })*
    };
}

impl<S: Serializer> Serializer for Exact<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Exact<S::SerializeSeq>;
    type SerializeTuple = Exact<S::SerializeTuple>;
    type SerializeTupleStruct = Exact<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Exact<S::SerializeTupleVariant>;
    type SerializeMap = Entries<S::SerializeMap>;
    type SerializeStruct = Exact<S::SerializeStruct>;
    type SerializeStructVariant = Exact<S::SerializeStructVariant>;

    as_it_is! {
        serialize_bool: bool, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_i128: i128, serialize_u128: u128
    }
    if_finite! { serialize_f32: f32, serialize_f64: f64 }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.nothing()?;
        self.inner.serialize_none()
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.nothing()?;
        self.inner.serialize_unit()
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.nothing()?;
        self.inner.serialize_unit_struct(name)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&Exact {
            inner: value,
            in_some: true,
        })
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = Exact {
            inner: value,
            in_some: self.in_some,
        };
        self.inner.serialize_newtype_struct(name, &value)
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner
            .serialize_newtype_variant(name, index, variant, &Exact::new(value))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.inner.serialize_seq(length).map(Exact::new)
    }

    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.inner.serialize_tuple(length).map(Exact::new)
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        let parts = self.inner.serialize_tuple_struct(name, length);
        parts.map(Exact::new)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let parts = self
            .inner
            .serialize_tuple_variant(name, index, variant, length);
        parts.map(Exact::new)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        Ok(Entries {
            inner: self.inner.serialize_map(length)?,
            keys: length.is_none().then(BTreeSet::new),
        })
    }

    fn serialize_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        self.inner.serialize_struct(name, length).map(Exact::new)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let parts = self
            .inner
            .serialize_struct_variant(name, index, variant, length);
        parts.map(Exact::new)
    }
}

macro_rules! elements {
    ($($trait:ident $method:ident),*) => {
        $(impl<C: $trait> $trait for Exact<C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                self.inner.$method(&Exact::new(value))
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

elements! {
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
}

macro_rules! fields {
    ($($trait:ident),*) => {
        $(impl<C: $trait> $trait for Exact<C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                self.inner.serialize_field(name, &Exact::new(value))
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

fields!(SerializeStruct, SerializeStructVariant);

/// The entries of a map.
struct Entries<C> {
    inner: C,
    /// The keys so far, where one may stand twice: in a struct with `#[serde(flatten)]`, whose length
    /// is not known beforehand.
    keys: Option<BTreeSet<String>>,
}

impl<C: SerializeMap> SerializeMap for Entries<C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        if let Some(keys) = &mut self.keys {
            let text = serde_json::to_string(key).map_err(C::Error::custom)?;
            refuse_if(!keys.insert(text), TWICE)?;
        }
        self.inner.serialize_key(&Exact::new(key))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        self.inner.serialize_value(&Exact::new(value))
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::error::Error as _;

    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct Wrapped<T>(T);

    #[derive(Serialize)]
    enum Shape<T> {
        Of(T),
        Pair(T, T),
        Named { value: T },
    }

    fn text<T: Serialize>(value: &T) -> String {
        String::from_utf8(encode("key", value).unwrap().to_vec()).unwrap()
    }

    fn refused<T: Serialize>(value: T, why: &str) {
        let error = encode("key", &value).unwrap_err();
        let said = format!("{error}: {}", error.source().unwrap());
        assert!(said.contains(why), "{said}");
    }

    #[test]
    fn nan_was_stored_as_null_and_could_not_be_read() {
        refused(f64::NAN, NOT_FINITE);
        refused(f32::INFINITY, NOT_FINITE);
        refused(Some(f64::NEG_INFINITY), NOT_FINITE);
        refused(vec![1.0, f64::NAN], NOT_FINITE);
        refused((1, [f32::NAN]), NOT_FINITE);
        refused(BTreeMap::from([("a", f64::NAN)]), NOT_FINITE);
        refused(Wrapped(f64::NAN), NOT_FINITE);
        refused(Shape::Of(f64::NAN), NOT_FINITE);
        refused(Shape::Pair(1.0, f64::NAN), NOT_FINITE);
        refused(Shape::Named { value: f64::NAN }, NOT_FINITE);
        assert_eq!(text(&[1.5, -0.0]), "[1.5,-0.0]");
    }

    #[test]
    fn some_of_nothing_came_back_as_none() {
        refused(Some(None::<u8>), NOTHING_IN_SOME);
        refused(Some(Some(None::<u8>)), NOTHING_IN_SOME);
        refused(vec![Some(Some(1)), Some(None)], NOTHING_IN_SOME);
        refused(Some(()), NOTHING_IN_SOME);
        refused(Some(Wrapped(None::<u8>)), NOTHING_IN_SOME);
        refused(Some(Value::Null), NOTHING_IN_SOME);
        refused(BTreeMap::from([("a", Some(None::<u8>))]), NOTHING_IN_SOME);
        assert_eq!(text(&Some(Some(7))), "7");
        assert_eq!(text(&None::<Option<u8>>), "null");
        assert_eq!(text(&Some(vec![None::<u8>])), "[null]");
        assert_eq!(text(&Some(Shape::Of(None::<u8>))), r#"{"Of":null}"#);
    }

    #[test]
    fn a_flattened_map_made_a_struct_unreadable() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Profile {
            name: String,
            #[serde(flatten)]
            more: BTreeMap<String, u8>,
        }
        let profile = |key: &str| Profile {
            name: "Ada".into(),
            more: BTreeMap::from([(key.to_owned(), 1)]),
        };
        refused(profile("name"), TWICE);
        let json = encode("key", &profile("age")).unwrap();
        assert_eq!(decode::<Profile>("key", &json).unwrap(), profile("age"));
    }

    #[test]
    fn keys_that_are_no_text_are_refused() {
        refused(BTreeMap::from([((1, 2), 3)]), "key must be a string");
        refused(BTreeMap::from([(None::<u8>, 3)]), "key must be a string");
        refused(BTreeMap::from([(vec![1], 3)]), "key must be a string");
        let map = BTreeMap::from([(7, 1), (-8, 2)]);
        let json = encode("key", &map).unwrap();
        assert_eq!(decode::<BTreeMap<i32, u8>>("key", &json).unwrap(), map);
    }

    #[test]
    fn what_is_nested_too_deep_to_be_read_again_is_refused() {
        let nested = |depth: usize| {
            let json = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            serde_json::value::RawValue::from_string(json).unwrap()
        };
        let json = encode("key", &nested(127)).unwrap();
        decode::<Value>("key", &json).unwrap();
        refused(nested(128), TOO_DEEP);
        encode("key", &vec![[1]; 500]).unwrap();
        encode("key", &"[".repeat(500)).unwrap();
    }

    #[test]
    fn a_text_of_json_is_taken_as_it_is() {
        let raw = serde_json::value::RawValue::from_string("[1e400]".into()).unwrap();
        assert_eq!(text(&raw), "[1e400]");
        let long = "x".repeat(500);
        assert_eq!(
            decode::<String>("key", &encode("key", &long).unwrap()).unwrap(),
            long
        );
    }
}
