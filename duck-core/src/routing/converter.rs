//! What a parameter of a path takes.

use percent_encoding::utf8_percent_encode;

use super::encoding::{REST, SEGMENT};
use super::mistakes::{name_in, right_parameter};

/// One `<…>` of a path.
#[derive(Debug, Clone)]
pub(crate) struct Param {
    pub(crate) name: String,
    pub(crate) converter: Converter,
}

/// What a parameter takes, under Django's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Converter {
    Str,
    Int,
    Slug,
    Uuid,
    Path,
}

impl Param {
    pub(super) fn parse(text: &str, path: &str) -> Result<Self, String> {
        let (converter, name) = text.split_once(':').unwrap_or(("str", text));
        let converter = match converter {
            "str" => Converter::Str,
            "int" => Converter::Int,
            "slug" => Converter::Slug,
            "uuid" => Converter::Uuid,
            "path" => Converter::Path,
            other => {
                let right = right_parameter(other, name);
                return Err(format!(
                    "the path {path:?} has `<{text}>`; there are str, int, slug, uuid and path: write `{right}`"
                ));
            }
        };
        let fine = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !fine {
            let right = match name.trim().split_once(' ') {
                Some((converter, name)) => right_parameter(converter, name),
                None if name.contains(['*', '.']) => format!("<path:{}>", name_in(name)),
                None => format!("<{}>", name_in(&name.replace('-', "_"))),
            };
            return Err(format!(
                "the path {path:?} has a parameter named {name:?}; use letters, digits and `_`, as in `{right}`"
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            converter,
        })
    }

    pub(super) fn fill_in(&self, value: &str, path: &mut String) -> Result<(), String> {
        if value.is_empty() || !self.converter.takes(value) {
            return Err(format!(
                "{value:?} does not fit its parameter `{}`",
                self.name
            ));
        }
        let set = if self.converter == Converter::Path {
            REST
        } else {
            SEGMENT
        };
        path.extend(utf8_percent_encode(value, set));
        Ok(())
    }
}

impl Converter {
    /// Whether a decoded value is of this kind.
    pub(crate) fn takes(self, value: &str) -> bool {
        match self {
            Self::Str | Self::Path => true,
            Self::Int => value.bytes().all(|byte| byte.is_ascii_digit()),
            Self::Slug => value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')),
            Self::Uuid => uuid::Uuid::try_parse(value).is_ok(),
        }
    }
}
