use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::verdict::Broken;

/// How many threads a race has.
pub(super) const RUNNERS: usize = 8;

/// Whether a writer that has written so many times goes on: until readers have looked often enough, however
/// busy the machine is, unless they cannot look at all.
pub(super) fn goes_on(written: usize, looks: &AtomicUsize) -> bool {
    written < 200 || (written < 20_000 && looks.load(Ordering::Relaxed) < 100)
}

/// Runs tasks side by side, each on a thread of its own, so that they meet although the runtime may
/// have one thread only. They begin at the same moment.
pub(super) async fn side_by_side<T, F>(tasks: Vec<F>) -> Result<Vec<T>, Broken>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Broken>> + Send + 'static,
{
    let start = Arc::new(Barrier::new(tasks.len()));
    let mut answers = Vec::new();
    for task in tasks {
        let (start, runtime) = (start.clone(), Handle::current());
        let (send, answer) = oneshot::channel();
        std::thread::spawn(move || {
            start.wait();
            let done = catch_unwind(AssertUnwindSafe(|| runtime.block_on(task)));
            // Whoever asked may have given up.
            _ = send.send(done.unwrap_or_else(|panic| Err(Broken::panicked(&*panic))));
        });
        answers.push(answer);
    }
    let mut done = Vec::new();
    for answer in answers {
        let gone = |_| Broken::because("a thread ended without an answer");
        done.push(answer.await.map_err(gone)??);
    }
    Ok(done)
}
