use std::sync::Arc;

use duck::BoxFuture;

use super::report::{Check, Outcome};
use super::verdict::Verdict;

/// Opens the storage on trial.
pub(super) type Open<S> = Arc<dyn Fn() -> BoxFuture<'static, S> + Send + Sync>;

/// One thing that a storage promises, and how to see whether it does.
pub(super) struct Promise {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) asked_of: AskedOf,
    pub(super) check: Box<dyn Fn() -> BoxFuture<'static, Verdict> + Send + Sync>,
}

impl Promise {
    pub(super) fn came_to(&self, outcome: Outcome) -> Check {
        Check {
            name: self.name,
            promise: self.text,
            outcome,
        }
    }
}

/// Which storages make a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AskedOf {
    All,
    /// Those that keep what they hold when they are closed.
    Outliving,
    /// Those of which several may be open on one storage.
    Shared,
}

/// Promises, each with the function that checks it: the function's name is the promise's. Each check gets
/// a trial of its own.
macro_rules! promises {
    ($open:ident, $trial:ty: $($asked_of:ident: $module:ident::$check:ident $text:literal,)*) => {
        vec![$(Promise {
            name: stringify!($check),
            text: $text,
            asked_of: AskedOf::$asked_of,
            check: {
                let open = $open.clone();
                Box::new(move || {
                    let open = open.clone();
                    Box::pin(async move { $module::$check(<$trial>::begin(open).await).await })
                })
            },
        },)*]
    };
}
pub(super) use promises;
