//! The texts of one field, read as a value.

use std::borrow::Cow;
use std::num::IntErrorKind;

use serde::de::value::{CowStrDeserializer, SeqDeserializer};
use serde::de::{self, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use smallvec::{SmallVec, smallvec};

use super::error::FieldError;
use super::problem::Problem;

pub(super) type Text<'a> = Cow<'a, [u8]>;

/// All texts of one name. A list takes all of them; of anything else the last counts, so that a
/// hidden field can stand before a checkbox.
#[derive(Debug, Default)]
pub(crate) struct Value<'a>(pub(super) SmallVec<[Text<'a>; 1]>);

impl<'a> Value<'a> {
    #[cfg(feature = "forms")]
    pub(crate) fn of(text: &'a str) -> Self {
        Self(smallvec![Cow::Borrowed(text.as_bytes())])
    }

    fn bytes(mut self) -> Text<'a> {
        self.0.pop().unwrap_or_default()
    }

    fn text(self) -> Result<Cow<'a, str>, FieldError> {
        let not_text = |_| FieldError::not_text();
        match self.bytes() {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes)
                .map(Cow::Borrowed)
                .map_err(not_text),
            Cow::Owned(bytes) => String::from_utf8(bytes)
                .map(Cow::Owned)
                .map_err(|error| not_text(error.utf8_error())),
        }
    }
}

/// What stands in a checkbox, a hidden field beside it, or a program's form.
pub(crate) fn yes_or_no(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["on", "1", "true", "yes"]) {
        Some(true)
    } else if is(&["off", "0", "false", "no", ""]) {
        Some(false)
    } else {
        None
    }
}

fn not_whole(kind: IntErrorKind, text: &str) -> FieldError {
    let is_negative = || {
        let digits = text.strip_prefix('-').unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    FieldError::new(match kind {
        IntErrorKind::PosOverflow => Problem::TooLarge,
        IntErrorKind::NegOverflow => Problem::TooSmall,
        // Types without negative numbers do not know the minus.
        IntErrorKind::InvalidDigit if is_negative() => Problem::TooSmall,
        _ => Problem::WholeNumber,
    })
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
            let text = self.text()?;
            match text.parse::<$type>() {
                Ok(number) => visitor.$visit(number),
                Err(error) => Err(not_whole(*error.kind(), &text)),
            }
        }
    )*};
}

/// `NaN` and infinity are no numbers that anybody writes into a form, or that JSON could hold.
macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
            match self.text()?.parse::<$type>() {
                Ok(number) if number.is_finite() => visitor.$visit(number),
                _ => Err(FieldError::new(Problem::Number)),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Value<'de> {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        if self.0.len() == 1 {
            self.deserialize_str(visitor)
        } else {
            self.deserialize_seq(visitor)
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match self.text()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        self.deserialize_str(visitor)
    }

    /// A struct does not read a name that is not text; whether it may be there is for the struct.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        let name = self.bytes();
        match std::str::from_utf8(&name) {
            Ok(name) => visitor.visit_str(name),
            Err(_) => visitor.visit_bytes(&name),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_bytes(&self.bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match yes_or_no(&self.text()?) {
            Some(value) => visitor.visit_bool(value),
            None => Err(FieldError::new(Problem::YesOrNo)),
        }
    }

    whole_numbers! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_i128 visit_i128 i128,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_u128 visit_u128 u128,
    }

    numbers! {
        deserialize_f32 visit_f32 f32,
        deserialize_f64 visit_f64 f64,
    }

    /// An input that was left empty is sent as an empty text.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        if self.0.iter().all(|text| text.is_empty()) {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        let texts = self.0.into_iter().map(|text| Self(smallvec![text]));
        SeqDeserializer::new(texts).deserialize_any(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        self.deserialize_seq(visitor)
    }

    /// One of several choices, by its name.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_enum(CowStrDeserializer::new(self.text()?))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { unit unit_struct map struct }
}

impl<'de> IntoDeserializer<'de, FieldError> for Value<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
