//! What is wrong with a field.

use std::error::Error as StdError;
use std::fmt::{self, Display};

use http::StatusCode;
use serde::de;

use super::problem::Problem;
use crate::http::request_error::RequestError;

/// Characters of a field's name that are shown: names can come from the client.
const LONGEST_NAME: usize = 64;

/// Why a form or a query does not fit a type: the field, and what is wrong with it. No value is part
/// of it, so that it may be shown and logged.
#[derive(Debug)]
pub(crate) struct FieldError {
    field: Option<String>,
    problem: Problem,
    /// For the log: what the type expects.
    detail: Option<String>,
}

impl FieldError {
    pub(crate) fn new(problem: Problem) -> Self {
        Self {
            field: None,
            problem,
            detail: None,
        }
    }

    pub(crate) fn not_text() -> Self {
        Self::new(Problem::Unreadable)
    }

    #[cfg(feature = "forms")]
    pub(crate) fn into_problem(self) -> Problem {
        self.problem
    }

    /// The same with the field's name, unless it has one already.
    pub(crate) fn of(mut self, name: &[u8]) -> Self {
        self.field
            .get_or_insert_with(|| String::from_utf8_lossy(name).into_owned());
        self
    }

    fn expected(problem: Problem, expected: &dyn Display) -> Self {
        Self {
            detail: Some(format!("expected {expected}")),
            ..Self::new(problem)
        }
    }

    fn named(name: &str, problem: Problem) -> Self {
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
            ..Self::new(Problem::Invalid)
        }
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::expected(Problem::Invalid, &expected)
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::expected(Problem::Invalid, &expected)
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Self::expected(Problem::WrongCount, &expected)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::expected(Problem::Choice, &expected.join(", "))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::named(field, Problem::Unknown)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::named(field, Problem::Missing)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::named(field, Problem::Duplicate)
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Some(detail) => f.write_str(detail),
            None => self.problem.fmt(f),
        }
    }
}

impl StdError for FieldError {}
