//! What a program says to its log.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

/// All that is logged where this is the subscriber: `duck_session WARN message=… more=3 `.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// The entries so far that begin like this: with a target, or with anything.
    pub(crate) fn entries(&self, beginning: &str) -> String {
        let entries = self.0.lock().unwrap();
        let entries = entries.iter().filter(|entry| entry.starts_with(beginning));
        entries.map(|entry| entry.to_owned() + "\n").collect()
    }

    pub(crate) fn say(&self, entry: String) {
        self.0.lock().unwrap().push(entry);
    }
}

struct Entry(String);

impl Entry {
    fn new(metadata: &Metadata<'_>) -> Self {
        Self(format!("{} {} ", metadata.target(), metadata.level()))
    }
}

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut entry = Entry::new(span.metadata());
        span.record(&mut entry);
        self.say(entry.0);
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        let mut entry = Entry(String::new());
        values.record(&mut entry);
        self.say(entry.0);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut entry = Entry::new(event.metadata());
        event.record(&mut entry);
        self.say(entry.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
