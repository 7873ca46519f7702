//! Why a form does not fit its type.

use std::fmt::{self, Display};

use serde::de;

use crate::http::fields::{FieldError, Problem};

/// What serde stopped at.
#[derive(Debug)]
pub(super) struct ReadError {
    /// The field's full name; not known yet to whoever only sees a value.
    pub(super) name: Option<String>,
    pub(super) problem: Problem,
    /// The type wants this field, which was not handed over.
    pub(super) missing: Option<&'static str>,
}

impl ReadError {
    /// The same with the field's name, unless something inside of the field has it already.
    pub(super) fn of(mut self, name: &str) -> Self {
        self.name.get_or_insert_with(|| name.to_owned());
        self
    }
}

impl From<Problem> for ReadError {
    fn from(problem: Problem) -> Self {
        Self {
            name: None,
            problem,
            missing: None,
        }
    }
}

impl From<FieldError> for ReadError {
    fn from(error: FieldError) -> Self {
        error.into_problem().into()
    }
}

impl de::Error for ReadError {
    fn custom<T: Display>(_: T) -> Self {
        Problem::Invalid.into()
    }

    fn invalid_length(_: usize, _: &dyn de::Expected) -> Self {
        Problem::WrongCount.into()
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Problem::Choice.into()
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Problem::Unknown.into()
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            missing: Some(field),
            ..Problem::Required.into()
        }
    }

    fn duplicate_field(_: &'static str) -> Self {
        Problem::Duplicate.into()
    }
}

impl Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for ReadError {}
