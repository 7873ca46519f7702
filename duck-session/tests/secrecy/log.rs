//! Everything that this program says, down to the last detail: its log and its panics.

use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};

static LOG: Mutex<String> = Mutex::new(String::new());

fn log() -> MutexGuard<'static, String> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on, all of it is kept.
pub(crate) fn listen() {
    tracing::subscriber::set_global_default(WholeLog).unwrap();
    std::panic::set_hook(Box::new(|panic| say(&panic.to_string())));
}

pub(crate) fn say(what: &str) {
    writeln!(log(), "{what}").unwrap();
}

/// What was said so far.
pub(crate) fn heard() -> String {
    log().clone()
}

struct WholeLog;

impl tracing::Subscriber for WholeLog {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        span.record(&mut Line);
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut Line);
    }

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Line);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

struct Line;

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        say(&format!("{field}: {value:?}"));
    }
}
