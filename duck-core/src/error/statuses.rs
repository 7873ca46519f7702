//! The statuses that a site gives to errors of others: see `App::error_status`.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use http::StatusCode;

use crate::app::floods::Floods;
use crate::error::Place;
use crate::error::panics;

/// What a site says of one error in a chain of causes.
type Says = dyn Fn(&(dyn StdError + 'static)) -> Option<StatusCode> + Send + Sync;

/// What a site says of errors, in the order it was registered.
#[derive(Default)]
pub(crate) struct Statuses {
    all: Vec<Box<Says>>,
    /// Where one panicked.
    floods: Floods<Option<Place>>,
}

impl Statuses {
    /// Adds what the site says of errors of type `E`.
    pub(crate) fn add<E: StdError + 'static>(
        &mut self,
        says: impl Fn(&E) -> Option<StatusCode> + Send + Sync + 'static,
    ) {
        self.all
            .push(Box::new(move |error| says(error.downcast_ref()?)));
    }

    /// The status of an error with these causes, outermost first: the function that was registered first
    /// wins, and of the causes that it knows the outermost. One that panics says 500.
    pub(crate) fn of(&self, causes: &[&(dyn StdError + 'static)]) -> Option<StatusCode> {
        let ask = |says: &Says| causes.iter().find_map(|cause| says(*cause));
        self.all.iter().find_map(|says| {
            catch_unwind(AssertUnwindSafe(|| ask(&**says))).unwrap_or_else(|panic| {
                self.tell(&*panic);
                Some(StatusCode::INTERNAL_SERVER_ERROR)
            })
        })
    }

    fn tell(&self, panic: &(dyn Any + Send)) {
        const TEXT: &str = "a function given to `error_status` panicked: 500 is sent";
        let place = panics::place_of(panic);
        let tell = |place: &Option<Place>, more| {
            let place = place.as_ref().map(tracing::field::display);
            tracing::error!(target: "duck", more, place, "more lines of one kind: {TEXT}");
        };
        if self.floods.admit(&place, tell) {
            let cause = panics::message(panic).unwrap_or_default();
            let place = place.map(tracing::field::display);
            tracing::error!(target: "duck", cause, place, "{TEXT}");
        }
    }
}

impl fmt::Debug for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Statuses({})", self.all.len())
    }
}
