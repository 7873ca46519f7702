//! The threads that connections are given to.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::listener::Listener;
use crate::http::proxies::Connection;

/// A thread that has not begun with a connection for so long is busy with a view that computes or blocks.
const BUSY: Duration = Duration::from_millis(100);

/// What connections run on: threads that keep what they are given, or the runtime that the server is started in, which
/// may move them from one of its threads to another.
///
/// A thread of its own has a runtime for its connections' sockets, and for nothing else. Whatever asks for the runtime
/// in a view finds the one that the site was started in: tasks, timers, blocking work, and connections to databases that
/// a view opens all belong to that. So they end with the site and not before, and no view that computes on its thread
/// delays what others wait for.
pub(crate) struct Threads(Vec<Thread>);

pub(super) struct Thread {
    runtime: Handle,
    load: Arc<Load>,
    own: Option<Own>,
}

/// Of a thread that was started for connections.
struct Own {
    /// Dropped to end the thread.
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Load {
    /// Connections that the thread has.
    open: AtomicUsize,
    /// Since when there is one that it has not begun with.
    waiting: Mutex<Option<Instant>>,
}

/// The place of one connection, from being given to a thread until it is dropped.
pub(super) struct Seat(Arc<Load>);

impl Threads {
    /// No threads but those of this runtime.
    pub(crate) fn of(runtime: &Handle) -> Self {
        Self(vec![Thread::new(runtime.clone(), None)])
    }

    /// Starts so many threads beside the runtime that the site is started in. They end when this is dropped, and no
    /// connection may be left then.
    pub(crate) fn start(count: usize, shared: &Handle) -> io::Result<Self> {
        let threads = (1..=count.max(1)).map(|number| Thread::start(number, shared.clone()));
        threads.collect::<io::Result<_>>().map(Self)
    }

    /// The next connection, and the thread that is to have it. It is accepted in the context of that thread's runtime,
    /// which a socket stays with from then on.
    pub(super) async fn accept<L: Listener>(
        &self,
        listener: &mut L,
    ) -> (&Thread, L::Io, Connection) {
        let mut accepting = pin!(listener.accept());
        poll_fn(|cx| {
            let thread = self.most_idle();
            let _entered = thread.runtime.enter();
            let accepted = accepting.as_mut().poll(cx);
            accepted.map(|(io, from)| (thread, io, from))
        })
        .await
    }

    /// The one with the fewest connections; one that does not get round to them is passed over while others do.
    fn most_idle(&self) -> &Thread {
        let threads = self.0.iter();
        let most_idle = threads.min_by_key(|thread| (thread.is_busy(), thread.load.open()));
        most_idle.expect("there is one at least")
    }
}

impl Thread {
    fn new(runtime: Handle, own: Option<Own>) -> Self {
        Self {
            runtime,
            load: Arc::default(),
            own,
        }
    }

    fn start(number: usize, shared: Handle) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name(format!("duck-{number}"));
        let thread = thread.spawn(move || {
            runtime.block_on(async {
                // From here on this is what the tasks of this thread find when they ask for the runtime.
                let _entered = shared.enter();
                let _ = ended.await; // an error is the end too
            });
        })?;
        let own = Own {
            end: Some(end),
            thread: Some(thread),
        };
        Ok(Self::new(handle, Some(own)))
    }

    /// Where its connections run.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn seat(&self) -> Seat {
        self.load.open.fetch_add(1, Relaxed);
        self.load.waiting().get_or_insert_with(Instant::now);
        Seat(self.load.clone())
    }

    /// Whether connections had better be given to others.
    fn is_busy(&self) -> bool {
        let thread = self.own.as_ref().and_then(|own| own.thread.as_ref());
        let has_ended = thread.is_some_and(JoinHandle::is_finished);
        has_ended || self.load.is_overdue()
    }
}

impl Load {
    fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    fn is_overdue(&self) -> bool {
        self.waiting().is_some_and(|since| since.elapsed() > BUSY)
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Instant>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// The thread has begun with the connection.
    pub(super) fn taken(&self) {
        *self.0.waiting() = None;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic was told by the hook.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until a thread has ended, but not for ever.
    fn end(thread: &mut Thread) {
        let own = thread.own.as_mut().unwrap();
        drop(own.end.take());
        for _ in 0..1000 {
            if own.thread.as_ref().unwrap().is_finished() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("it goes on");
    }

    fn index(threads: &Threads) -> usize {
        let most_idle = threads.most_idle();
        let mut all = threads.0.iter();
        all.position(|thread| std::ptr::eq(thread, most_idle))
            .unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn each_connection_goes_to_the_thread_that_has_fewest() {
        let threads = Threads::start(3, &Handle::current()).unwrap();
        let mut seats = Vec::new();
        for expected in [0, 1, 2, 0, 1, 2] {
            assert_eq!(index(&threads), expected);
            let seat = threads.0[expected].seat();
            seat.taken();
            seats.push(seat);
        }
        seats.remove(1);
        assert_eq!(index(&threads), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_thread_that_has_ended_gets_no_more_connections() {
        let mut threads = Threads::start(2, &Handle::current()).unwrap();
        end(&mut threads.0[0]);
        let seats = [(); 3].map(|()| threads.0[1].seat());
        for seat in &seats {
            seat.taken();
        }
        assert_eq!(index(&threads), 1);
    }

    #[tokio::test]
    async fn a_thread_that_does_not_get_round_to_a_connection_is_passed_over_until_it_does() {
        let threads = Threads(vec![
            Thread::new(Handle::current(), None),
            Thread::new(Handle::current(), None),
        ]);
        let others = [(); 3].map(|()| threads.0[1].seat());
        for seat in &others {
            seat.taken();
        }
        let seat = threads.0[0].seat();
        let waits_since = |since| *threads.0[0].load.waiting() = Some(since);
        waits_since(Instant::now() + BUSY);
        assert_eq!(index(&threads), 0, "it may begin yet");
        waits_since(Instant::now().checked_sub(2 * BUSY).unwrap());
        assert_eq!(index(&threads), 1);
        seat.taken();
        assert_eq!(index(&threads), 0);
    }

    /// What the documentation of [`Threads`] says of tasks.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_a_connection_asks_the_runtime_for_is_given_by_the_shared_one() {
        let threads = Threads::start(1, &Handle::current()).unwrap();
        let here = Handle::current().id();
        let asking = threads.0[0].runtime().spawn(async {
            let first = Handle::current().id();
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            let name = thread::current().name().map(str::to_owned);
            let spawned = tokio::spawn(async { thread::current().name().map(str::to_owned) });
            (first, Handle::current().id(), name, spawned.await.unwrap())
        });
        let (first, later, name, spawned) = asking.await.unwrap();
        assert_eq!([first, later], [here, here]);
        assert_eq!(name.as_deref(), Some("duck-1"));
        assert_ne!(spawned.as_deref(), Some("duck-1"));
    }
}
