//! Who is here, and what is said. Nothing is kept: whoever comes later has missed it.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::{broadcast, watch};

/// So many words wait for a visitor whose connection is slow. What is older they miss.
const WAITING: usize = 64;

/// What all visitors of the page share.
pub(super) struct Room {
    said: broadcast::Sender<Words>,
    visitors: Arc<watch::Sender<usize>>,
}

/// What somebody said.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Words {
    pub(super) name: String,
    pub(super) text: String,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            said: broadcast::Sender::new(WAITING),
            visitors: Arc::default(),
        }
    }
}

impl Room {
    /// Where words are said and heard.
    pub(super) fn words(&self) -> broadcast::Sender<Words> {
        self.said.clone()
    }

    /// Counts one visitor more, for as long as the `Visit` is there.
    pub(super) fn enter(&self) -> Visit {
        self.visitors.send_modify(|count| *count += 1);
        Visit {
            count: self.visitors.subscribe(),
            visitors: self.visitors.clone(),
        }
    }
}

/// One visitor's time on the page.
pub(super) struct Visit {
    /// How many are here.
    pub(super) count: watch::Receiver<usize>,
    visitors: Arc<watch::Sender<usize>>,
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.visitors.send_modify(|count| *count -= 1);
    }
}
