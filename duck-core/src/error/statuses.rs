//! The statuses that a site gives to errors of others: see `App::error_status`.

use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use http::StatusCode;

use crate::error::panics;

/// What a site says of one error in a chain of causes.
type Says = dyn Fn(&(dyn StdError + 'static)) -> Option<StatusCode> + Send + Sync;

/// What a site says of errors, in the order it was registered.
#[derive(Default)]
pub(crate) struct Statuses(Vec<Box<Says>>);

impl Statuses {
    /// Adds what the site says of errors of type `E`.
    pub(crate) fn add<E: StdError + 'static>(
        &mut self,
        says: impl Fn(&E) -> Option<StatusCode> + Send + Sync + 'static,
    ) {
        self.0
            .push(Box::new(move |error| says(error.downcast_ref()?)));
    }

    /// The status of an error with these causes, outermost first: the function that was registered first
    /// wins, and of the causes that it knows the outermost. One that panics says 500.
    pub(crate) fn of(&self, causes: &[&(dyn StdError + 'static)]) -> Option<StatusCode> {
        let ask = |says: &Says| causes.iter().find_map(|cause| says(*cause));
        self.0.iter().find_map(|says| {
            catch_unwind(AssertUnwindSafe(|| ask(&**says))).unwrap_or_else(|panic| {
                let cause = panics::message(&*panic).unwrap_or_default();
                let place = panics::place_of(&*panic).map(tracing::field::display);
                tracing::error!(target: "duck", cause, place, "a function given to `error_status` panicked: 500 is sent");
                Some(StatusCode::INTERNAL_SERVER_ERROR)
            })
        })
    }
}

impl fmt::Debug for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Statuses({})", self.0.len())
    }
}
