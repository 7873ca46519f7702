use std::any::Any;
use std::fmt::Display;

use duck::Error;

/// What a check found.
pub(super) type Verdict = Result<(), Broken>;

/// Why a promise is not kept, in a sentence.
#[derive(Debug)]
pub(super) struct Broken(String);

impl Broken {
    pub(super) fn because(seen: impl Into<String>) -> Self {
        Self(seen.into())
    }

    pub(super) fn failed(what: impl Display, error: &Error) -> Self {
        Self(format!("{what} failed: {}", error.chain()))
    }

    /// What is left of a thread or task that panicked.
    pub(super) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let said = payload.downcast_ref::<&str>().copied();
        let said = said.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self(format!("it panicked: {}", said.unwrap_or("without a word")))
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// A broken promise, unless `holds`.
pub(super) fn ensure(holds: bool, seen: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Broken(seen())) }
}
