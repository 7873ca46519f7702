//! What is wrong with a field.

use std::error::Error as StdError;
use std::fmt::{self, Display};

use http::StatusCode;
use serde::de;

use crate::http::request_error::RequestError;

/// Characters of a field's name that are shown: names can come from the client.
const LONGEST_NAME: usize = 64;

/// Why a form or a query does not fit a type: the field, and what is wrong with it. No value is part
/// of it, so that it may be shown and logged.
#[derive(Debug)]
pub(crate) struct FieldError {
    field: Option<String>,
    problem: &'static str,
    /// For the log: what the type expects.
    detail: Option<String>,
}

impl FieldError {
    /// A sentence without its subject: "must be a number".
    pub(crate) fn new(problem: &'static str) -> Self {
        Self {
            field: None,
            problem,
            detail: None,
        }
    }

    pub(crate) fn not_text() -> Self {
        Self::new("is not readable text")
    }

    /// The same with the field's name, unless it has one already.
    pub(crate) fn of(mut self, name: &[u8]) -> Self {
        self.field
            .get_or_insert_with(|| String::from_utf8_lossy(name).into_owned());
        self
    }

    fn expected(problem: &'static str, expected: &dyn Display) -> Self {
        Self {
            detail: Some(format!("expected {expected}")),
            ..Self::new(problem)
        }
    }

    fn named(name: &str, problem: &'static str) -> Self {
        Self::new(problem).of(name.as_bytes())
    }

    /// The answer to the visitor. `whole` is what the field is part of: the form, the query.
    pub(crate) fn refuse(self, whole: &str, status: StatusCode) -> RequestError {
        let message = match &self.field {
            Some(field) => format!("the field `{}` of {whole} {}", shown(field), self.problem),
            None => format!("{whole} {}", self.problem),
        };
        let error = RequestError::new(status, message);
        match self.detail {
            Some(detail) => error.because(detail),
            None => error,
        }
    }
}

/// A field's name as it may stand in a sentence and a log.
pub(crate) fn shown(name: &str) -> String {
    let mut chars = name.chars();
    let mut short: String = chars.by_ref().take(LONGEST_NAME).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short.escape_debug().to_string()
}

impl de::Error for FieldError {
    fn custom<T: Display>(message: T) -> Self {
        Self {
            detail: Some(message.to_string()),
            ..Self::new("is not as expected")
        }
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::expected("is not as expected", &expected)
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::expected("is not as expected", &expected)
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Self::expected("has the wrong number of values", &expected)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::expected("is not one of the choices", &expected.join(", "))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::named(field, "is not known")
    }

    fn missing_field(field: &'static str) -> Self {
        Self::named(field, "is missing")
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::named(field, "comes more than once")
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail.as_deref().unwrap_or(self.problem))
    }
}

impl StdError for FieldError {}
