//! Where hashing waits for its turn.

use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use http::{HeaderValue, StatusCode, header};
use tokio::sync::Semaphore;

use crate::error::Result;
use crate::http::request_error::RequestError;

/// How many hashes may wait for each core. One takes about a twentieth of a second, so the last of them
/// waits for about a second.
const MOST_WAITING: usize = 20;

/// One for the process, as the cores and the memory are.
static QUEUE: LazyLock<Queue> = LazyLock::new(|| {
    let cores = available_parallelism().map_or(1, usize::from);
    Queue::new(cores, cores * MOST_WAITING)
});

/// Runs a hash in a thread of its own when there is a core for it. With too many of them waiting, it is not
/// run: 503.
pub(super) async fn run<T: Send + 'static>(hash: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    QUEUE.run(hash).await
}

struct Queue {
    /// Those who wait, and those whose turn it is.
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Queue {
    fn new(turns: usize, waiting: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(turns + waiting)),
            turns: Arc::new(Semaphore::new(turns)),
        }
    }

    async fn run<T: Send + 'static>(&self, hash: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| full())?;
        let turn = self.turns.clone().acquire_owned().await?;
        // A client that leaves does not stop the thread: both go with it, and not with the request.
        let hashed = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            hash()
        });
        Ok(hashed.await?)
    }
}

fn full() -> RequestError {
    RequestError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many people log in at this moment: try again in a few seconds",
    )
    .with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use super::*;

    /// A hash whose turn it is until it is let go.
    async fn held(queue: &Arc<Queue>) -> (mpsc::Sender<()>, JoinHandle<Result<()>>) {
        let (go, wait) = mpsc::channel();
        let (started, has_started) = oneshot::channel();
        let hash = move || {
            started.send(()).unwrap();
            wait.recv().unwrap();
        };
        let queue = queue.clone();
        let hash = tokio::spawn(async move { queue.run(hash).await });
        has_started.await.unwrap();
        (go, hash)
    }

    #[tokio::test]
    async fn who_finds_the_queue_full_is_sent_away_at_once() {
        let queue = Arc::new(Queue::new(1, 2));
        let (go, first) = held(&queue).await;
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move { queue.run(|| ()).await })
            })
            .collect();
        while queue.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = queue.run(|| ()).await.unwrap_err();
        assert_eq!(refused.status(), 503);
        go.send(()).unwrap();
        first.await.unwrap().unwrap();
        for waiting in waiting {
            waiting.await.unwrap().unwrap();
        }
        assert!(queue.run(|| ()).await.is_ok(), "there is room again");
    }

    #[tokio::test]
    async fn a_flood_runs_no_more_hashes_at_once_than_there_are_turns() {
        let queue = Arc::new(Queue::new(2, 1000));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let hashes = (0..100).map(|_| {
            let (running, most) = (running.clone(), most.clone());
            let queue = queue.clone();
            tokio::spawn(async move {
                let hash = move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                };
                queue.run(hash).await.unwrap();
            })
        });
        for hash in hashes.collect::<Vec<_>>() {
            hash.await.unwrap();
        }
        assert!(most.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test]
    async fn a_client_that_leaves_makes_no_room_for_another_hash() {
        let queue = Arc::new(Queue::new(1, 0));
        let (go, leaving) = held(&queue).await;
        leaving.abort();
        assert!(leaving.await.unwrap_err().is_cancelled());
        assert_eq!(queue.run(|| ()).await.unwrap_err().status(), 503);
        go.send(()).unwrap();
        while queue.places.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(queue.run(|| ()).await.is_ok());
    }
}
