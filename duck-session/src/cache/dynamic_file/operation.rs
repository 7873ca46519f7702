use std::time::Duration;

use tokio::sync::oneshot;

use super::entries::{Condition, Stored};
use super::expiry::{self, Instant};
use super::failure::Failure;
use super::sweep::Slice;
use crate::cache::Entry;

/// How many entries an operation changed; of a refused change, none.
pub(super) type Answer = Result<usize, Failure>;

/// Where the writer answers.
pub(super) type Reply<T = usize> = oneshot::Sender<Result<T, Failure>>;

/// What the writer is asked.
#[derive(Debug)]
pub(super) enum Request {
    Change(Change, Reply),
    Task(Task, Reply),
    /// To remove up to so many expired entries, as far as a slice of the sweep gets.
    Sweep(usize, Reply<Slice>),
}

/// What is done with the whole folder.
#[derive(Debug, Clone, Copy)]
pub(super) enum Task {
    Clear,
    Checkpoint,
}

/// Answers who asked. They may have gone by now; what was done stands all the same.
pub(super) fn answer<T>(reply: Reply<T>, answer: Result<T, Failure>) {
    let _ = reply.send(answer);
}

/// A change of one key: if `condition` holds, `new` is what is stored afterwards.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: String,
    pub(super) condition: Condition,
    pub(super) new: Option<Stored>,
    /// When it was asked for. What was expired then still is when the change is made, even if the
    /// clock was set back meanwhile.
    pub(super) asked: Instant,
}

impl Change {
    pub(super) fn set(key: &str, value: &[u8], ttl: Option<Duration>, now: Instant) -> Self {
        Self {
            key: key.to_owned(),
            condition: Condition::Any,
            new: Some(Stored {
                value: value.to_owned(),
                expires: expiry::after(ttl, now),
                durable: false,
            }),
            asked: now,
        }
    }

    pub(super) fn delete(key: &str, now: Instant) -> Self {
        Self {
            key: key.to_owned(),
            condition: Condition::Any,
            new: None,
            asked: now,
        }
    }

    pub(super) fn swap(
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Entry<'_>>,
        now: Instant,
    ) -> Self {
        Self {
            key: key.to_owned(),
            condition: Condition::Holds(expected.map(<[u8]>::to_owned)),
            new: new.map(|entry| Stored {
                value: entry.value.to_owned(),
                expires: expiry::after(entry.ttl, now),
                durable: entry.durable,
            }),
            asked: now,
        }
    }

    /// Removes what is under `key` if it is expired.
    pub(super) fn forget(key: &str, now: Instant) -> Self {
        Self::swap(key, None, None, now)
    }

    /// Whether the change has to survive a power cut. A removal always does: a logout must not come
    /// back, and what is stored under the key next, perhaps in another shard, must not have the old
    /// entry beside it.
    pub(super) fn is_durable(&self) -> bool {
        self.new.as_ref().is_none_or(|new| new.durable)
    }
}
