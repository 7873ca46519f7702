use duck::BoxFuture;

use super::report::{Check, Outcome};
use super::trial::Trial;
use super::verdict::Verdict;

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
