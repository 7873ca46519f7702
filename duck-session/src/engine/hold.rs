//! `SESSION_CONFLICT = "lock"`: one request of a session after the other.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use duck::Result;
use duck::session::SessionError;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use crate::cache::{Cache, Entry};
use crate::seal::Handle;

/// How often a lock of another process is asked for.
const PAUSE: Duration = Duration::from_millis(20);

/// The sessions that a request is at work on.
///
/// Within a process they wait for each other in the order they came. Between processes that share an
/// atomic cache, whoever works on a session leaves a note in it. The note goes when the request ends,
/// however it ends, and when its time is over: a process that died holds nobody up for longer than
/// `SESSION_LOCK_TIMEOUT`. A request that takes longer than that goes on without the lock: then it
/// is as with `"merge"`, and still nothing is lost.
pub(super) struct Holds<C> {
    cache: Arc<C>,
    patience: Duration,
    waiting: Arc<Mutex<HashMap<Handle, Arc<tokio::sync::Mutex<()>>>>>,
}

impl<C: Cache> Holds<C> {
    pub(super) fn new(cache: Arc<C>, patience: Duration) -> Self {
        Self {
            cache,
            patience,
            waiting: Arc::default(),
        }
    }

    /// Waits until nobody else works on a session. Dropping what it gives lets the next one in.
    pub(super) async fn take(&self, handle: &Handle) -> Result<Box<dyn Any + Send>, SessionError> {
        let deadline = Instant::now() + self.patience;
        let queue = Arc::clone(
            self.waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(*handle)
                .or_default(),
        );
        let place = Place {
            handle: *handle,
            waiting: Arc::clone(&self.waiting),
        };
        let turn = timeout_at(deadline, queue.lock_owned())
            .await
            .map_err(|_| took_too_long())?;
        let note = if C::ATOMIC && !C::IN_PROCESS {
            Some(self.leave_note(handle, deadline).await?)
        } else {
            None
        };
        Ok(Box::new(Hold {
            note,
            turn: Some((turn, place)),
        }))
    }

    async fn leave_note(
        &self,
        handle: &Handle,
        deadline: Instant,
    ) -> Result<Note<C>, SessionError> {
        let note = Note {
            cache: Arc::clone(&self.cache),
            key: format!("lock:{}", handle.as_str()),
            text: Uuid::new_v4().into_bytes(),
        };
        loop {
            let entry = Entry::new(&note.text).ttl(self.patience);
            let left = self.cache.compare_and_swap(&note.key, None, Some(entry));
            if left.await.map_err(super::breaker::store_error)? {
                return Ok(note);
            }
            if Instant::now() >= deadline {
                return Err(took_too_long());
            }
            sleep(PAUSE).await;
        }
    }
}

/// Whether this is the note of a request, and no record: those are longer.
#[cfg(feature = "commands")]
pub(super) fn is_note(stored: &[u8]) -> bool {
    stored.len() == size_of::<Uuid>()
}

fn took_too_long() -> SessionError {
    SessionError::store("SESSION_LOCK_TIMEOUT is over: another request works on the session")
}

/// A session that a request works on.
struct Hold<C: Cache> {
    note: Option<Note<C>>,
    turn: Option<(OwnedMutexGuard<()>, Place)>,
}

impl<C: Cache> Drop for Hold<C> {
    fn drop(&mut self) {
        // The note goes before the next one of this process gets its turn.
        let turn = self.turn.take();
        if let Some(note) = self.note.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                note.remove().await;
                drop(turn);
            });
        }
    }
}

/// What other processes see.
struct Note<C> {
    cache: Arc<C>,
    key: String,
    text: [u8; 16],
}

impl<C: Cache> Note<C> {
    async fn remove(self) {
        let removed = self
            .cache
            .compare_and_swap(&self.key, Some(&self.text), None);
        if let Err(error) = removed.await {
            tracing::debug!(target: "duck_session", cause = error.chain(), "the lock of a session is left to its end");
        }
    }
}

/// A place in the table, which goes when nobody waits there any more.
struct Place {
    handle: Handle,
    waiting: Arc<Mutex<HashMap<Handle, Arc<tokio::sync::Mutex<()>>>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting
            .get(&self.handle)
            .is_some_and(|queue| Arc::strong_count(queue) == 1)
        {
            waiting.remove(&self.handle);
        }
    }
}
