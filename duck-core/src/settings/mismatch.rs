//! Why a value does not fit, said without the value: it may be secret.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::spelling::nearest;

#[derive(Debug)]
pub(super) enum Mismatch {
    /// In words of ours, which never hold the value.
    Plain(String),
    /// In words of the type that was asked for, which may.
    Foreign(String),
    /// A struct has a field without a default, and nothing sets it.
    Missing(&'static str),
}

impl Mismatch {
    /// The same, said of an entry where the type takes lists and reached one.
    pub(super) fn in_list(self, reached: bool) -> Self {
        match self {
            Self::Plain(message) if reached => {
                Self::Plain(format!("an entry of the list {message}"))
            }
            other => other,
        }
    }

    /// A value that is none of the choices.
    pub(super) fn no_choice(value: &Unexpected<'_>, choices: &[&str]) -> Self {
        let takes = one_of(choices);
        Self::Plain(match value {
            Unexpected::Str(text) => match nearest(text, choices.iter().copied()) {
                Some(choice) => format!("takes {takes}; did you mean \"{choice}\"?"),
                None => format!("takes {takes}"),
            },
            other => format!("takes {takes}, not {}", kind(other)),
        })
    }
}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Foreign(message.to_string())
    }

    fn invalid_type(value: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let (takes, hint) = (words(expected), hint(&value, expected));
        Self::Plain(format!("takes {takes}, not {}{hint}", kind(&value)))
    }

    fn invalid_value(value: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let (takes, hint) = (words(expected), hint(&value, expected));
        Self::Plain(match value {
            Unexpected::Signed(number) if number < 0 => {
                format!("takes {takes}, not a negative number")
            }
            _ => format!("takes {takes}{hint}"),
        })
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::Plain(format!("takes {}, not {length} entries", words(expected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::no_choice(&Unexpected::Str(variant), expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::no_choice(&Unexpected::Str(field), expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::Plain(format!("has `{field}` twice"))
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(message) | Self::Foreign(message) => f.write_str(message),
            Self::Missing(field) => write!(f, "`{field}` is missing"),
        }
    }
}

impl std::error::Error for Mismatch {}

/// `"Lax", "Strict" or "None"`
fn one_of(choices: &[&str]) -> String {
    let quoted: Vec<_> = choices
        .iter()
        .map(|choice| format!("\"{choice}\""))
        .collect();
    match quoted.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        all => all.concat(),
    }
}

/// What serde expects, in words of the settings' page.
fn words(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    let range = |least: i128, most: i128| format!("a whole number from {least} to {most}");
    match text.as_str() {
        "a boolean" => "true or false".into(),
        "a string" | "str" | "string" => "a text in quotes".into(),
        "path string" => "a path in quotes".into(),
        "a sequence" | "a set" => "a list, such as [\"one\", \"two\"]".into(),
        "a map" => "a table".into(),
        "u8" => range(0, u8::MAX.into()),
        "u16" => range(0, u16::MAX.into()),
        "u32" => range(0, u32::MAX.into()),
        "i8" => range(i8::MIN.into(), i8::MAX.into()),
        "i16" => range(i16::MIN.into(), i16::MAX.into()),
        "i32" => range(i32::MIN.into(), i32::MAX.into()),
        "u64" | "usize" => "a whole number, 0 or more".into(),
        "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        _ => text,
    }
}

fn kind(value: &Unexpected<'_>) -> &'static str {
    match value {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Signed(number) if *number < 0 => "a negative number",
        Unexpected::Signed(_) | Unexpected::Unsigned(_) => "a number",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Str(_) | Unexpected::Char(_) => "a text",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a table",
        _ => "this",
    }
}

/// What was probably meant.
fn hint(value: &Unexpected<'_>, expected: &dyn Expected) -> String {
    let takes = expected.to_string();
    let is_number = |text: &str| text.trim().parse::<f64>().is_ok();
    let boolean = match value {
        Unexpected::Str(text) => boolean(text),
        Unexpected::Signed(0) | Unexpected::Unsigned(0) => Some(false),
        Unexpected::Signed(1) | Unexpected::Unsigned(1) => Some(true),
        _ => None,
    };
    match (value, boolean) {
        (_, Some(meant)) if takes.contains("boolean") || takes.starts_with("true") => {
            format!("; did you mean `{meant}`?")
        }
        (Unexpected::Str(text), _) if is_number(text) && words(expected).contains("number") => {
            "; a number stands without quotes".into()
        }
        (Unexpected::Str(_), _) if takes == "a sequence" => {
            "; put it into brackets: [\"…\"]".into()
        }
        _ => String::new(),
    }
}

/// What other languages and formats call `true` and `false`.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}
