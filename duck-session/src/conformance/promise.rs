use std::any::Any;
use std::fmt::Display;

use duck_core::{BoxFuture, Error};

use super::report::{Check, Outcome};
use super::trial::Trial;

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

/// One thing that a cache promises, and how to see whether it does.
pub(super) struct Promise<C> {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) asked_of: AskedOf,
    pub(super) check: fn(Trial<C>) -> BoxFuture<'static, Verdict>,
}

impl<C> Promise<C> {
    pub(super) fn came_to(&self, outcome: Outcome) -> Check {
        Check {
            name: self.name,
            promise: self.text,
            outcome,
        }
    }
}

/// Which caches make a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AskedOf {
    All,
    /// Those whose `compare_and_swap` is one step.
    Atomic,
    /// Those that keep what they hold when they are closed.
    Outliving,
    /// Those of which several may be open on one storage.
    Shared,
}
