//! What this program writes to its log.

use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tracing::field::{Field, Visit};

static LOG: Mutex<String> = Mutex::new(String::new());
static LISTENING: Once = Once::new();

fn log() -> MutexGuard<'static, String> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on, all of it is kept.
pub(crate) fn listen() {
    LISTENING.call_once(|| tracing::subscriber::set_global_default(WholeLog).unwrap());
}

/// What was written so far, by all tests.
pub(crate) fn heard() -> String {
    log().clone()
}

struct WholeLog;

impl tracing::Subscriber for WholeLog {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let level = event.metadata().level();
        write!(log(), "{level}").unwrap();
        event.record(&mut Line);
        writeln!(log()).unwrap();
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

struct Line;

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(log(), " {field}: {value:?}").unwrap();
    }
}
