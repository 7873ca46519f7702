//! What a store has for each runtime, such as a connection.
//!
//! Where connections of visitors stay on their threads, each of these has a runtime. What that drives brings an answer to
//! its view without another thread being woken. Everything else is done by the runtime that the site was started in.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use tokio::runtime::{Handle, Id};

/// A value for each runtime, as long as that has not ended.
pub(super) struct Runtimes<T>(Mutex<HashMap<Id, (Handle, T)>>);

impl<T: Clone> Runtimes<T> {
    /// That of this runtime. The first one of a runtime is made, and takes the place of those that have ended.
    pub(super) fn get(&self, runtime: &Handle, make: impl FnOnce() -> T) -> T {
        let mut all = self.lock();
        if let Some((_, known)) = all.get(&runtime.id()) {
            return known.clone();
        }
        all.retain(|_, (runtime, _)| !has_ended(runtime));
        let new = make();
        all.insert(runtime.id(), (runtime.clone(), new.clone()));
        new
    }

    /// What is behind the lock is whole at any time.
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, (Handle, T)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Runtimes<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// A runtime that has ended drops at once what it is given.
fn has_ended(runtime: &Handle) -> bool {
    let given = runtime.spawn(pending::<()>());
    let is_dropped = given.is_finished();
    given.abort();
    is_dropped
}

/// Polls a future as this runtime does: the sockets and the tasks that it makes belong to that one.
pub(super) async fn within<F: Future>(runtime: &Handle, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _entered = runtime.enter();
        future.as_mut().poll(cx)
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn runtimes() -> [Runtime; 2] {
        [
            Builder::new_current_thread().build().unwrap(),
            Builder::new_multi_thread()
                .worker_threads(1)
                .build()
                .unwrap(),
        ]
    }

    #[test]
    fn a_runtime_that_has_ended_is_known_from_one_that_has_not() {
        for runtime in runtimes() {
            let handle = runtime.handle().clone();
            assert!(!has_ended(&handle));
            drop(runtime);
            assert!(has_ended(&handle));
        }
    }

    #[test]
    fn each_runtime_that_lives_has_a_value_and_no_other_does() {
        let all = Runtimes::default();
        let [lives, _] = runtimes();
        assert_eq!(all.get(lives.handle(), || 0), 0);
        for number in 1..10 {
            for ends in runtimes() {
                assert_eq!(all.get(ends.handle(), || number), number);
                assert_eq!(all.get(ends.handle(), || 100), number);
                assert_eq!(all.lock().len(), 2);
            }
        }
        assert_eq!(all.get(lives.handle(), || 100), 0);
    }
}
