//! The threads that connections are given to.

use std::cell::RefCell;
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
/// A thread of its own has a runtime for its connections' sockets, and for what asks for [`thread_runtime`]. Whatever
/// asks for the runtime in a view finds the one that the site was started in: tasks, timers, blocking work, and
/// connections to databases that a view opens all belong to that. So they end with the site and not before, and no view
/// that computes on its thread delays what others wait for.
pub(crate) struct Threads(Vec<Thread>);

pub(super) struct Thread {
    runtime: Handle,
    load: Arc<Load>,
    own: Option<Own>,
}

/// Of a thread that was started for connections.
struct Own {
    /// Dropped to end the thread.
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
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

thread_local! {
    /// That of a thread that was started for connections, and how many of these there are.
    static RUNTIME: RefCell<Option<(Handle, usize)>> = const { RefCell::new(None) };
}

/// The runtime of the thread that this is called on.
///
/// In a view of a site that [`App::run`](crate::App::run) serves, that is a runtime which drives the connections of this
/// thread and no others. Everywhere else it is the one that [`Handle::current`] finds: in tasks, in blocking work, in
/// tests, with `WORK_STEALING = true`, and in a program that calls [`serve`](crate::server::serve) itself.
///
/// It is for clients of a server that answers in microseconds, such as a store of sessions: with a connection for each
/// thread, driven by that thread, an answer reaches its view without a second thread being woken. A view that computes
/// holds up such a connection, as it holds up everybody on its thread. So one that all threads share belongs to the
/// runtime of the site, which is what a view finds when it asks for nothing else.
///
/// What is given to its [`Handle::spawn`] runs on this thread. A socket or a timer belongs to the runtime in whose context
/// it is made, so that has to be entered. Sockets are made while a future is polled: it is entered at each poll.
///
/// ```
/// use std::future::poll_fn;
/// use std::io;
/// use std::pin::pin;
///
/// use duck::server::thread_runtime;
/// use tokio::net::TcpStream;
///
/// async fn connect(address: &str) -> io::Result<TcpStream> {
///     let runtime = thread_runtime();
///     let mut connecting = pin!(TcpStream::connect(address));
///     poll_fn(|cx| {
///         let _entered = runtime.enter();
///         connecting.as_mut().poll(cx)
///     })
///     .await
/// }
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
/// # connect(&listener.local_addr().unwrap().to_string()).await.unwrap();
/// # });
/// ```
///
/// Such a runtime ends when the site has stopped, shortly before the runtime of the site does. By [`Handle::id`] one is
/// told from another.
///
/// # Panics
///
/// Where there is no runtime, as [`Handle::current`] does.
#[must_use]
pub fn thread_runtime() -> Handle {
    let own = RUNTIME.with_borrow(|own| own.as_ref().map(|(runtime, _)| runtime.clone()));
    own.unwrap_or_else(Handle::current)
}

/// How many threads there are that have a [runtime](thread_runtime) as the one that this is called on: those that answer
/// requests. 1 where there are none.
///
/// So a store can share out among them what it may have a certain number of, such as connections to a database.
///
/// ```
/// assert_eq!(duck::server::thread_count(), 1); // no site is being served
/// ```
#[must_use]
pub fn thread_count() -> usize {
    RUNTIME.with_borrow(|own| own.as_ref().map_or(1, |(_, count)| *count))
}

impl Threads {
    /// No threads but those of this runtime.
    pub(crate) fn of(runtime: &Handle) -> Self {
        Self(vec![Thread::new(runtime.clone(), None)])
    }

    /// Starts so many threads beside the runtime that the site is started in.
    pub(crate) fn start(count: usize, shared: &Handle) -> io::Result<Self> {
        let count = count.max(1);
        let threads = (1..=count).map(|number| Thread::start(number, count, shared.clone()));
        threads.collect::<io::Result<_>>().map(Self)
    }

    /// Ends the threads that were started, and waits for them for so long at most: a view may block one.
    pub(crate) fn end(self, patience: Duration) {
        let own = self.0.into_iter().filter_map(|thread| thread.own);
        let (ends, threads): (Vec<_>, Vec<_>) = own.map(|own| (own.end, own.thread)).unzip();
        drop(ends);
        let patience = Instant::now() + patience;
        while !threads.iter().all(JoinHandle::is_finished) && Instant::now() < patience {
            thread::sleep(Duration::from_millis(1));
        }
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

    fn start(number: usize, count: usize, shared: Handle) -> io::Result<Self> {
        let mut runtime = Builder::new_current_thread();
        // The blocking work of views is done by the shared one. This is for looking up the name of a server.
        let runtime = runtime.enable_all().max_blocking_threads(1).build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name(format!("duck-{number}"));
        let thread = thread.spawn(move || {
            RUNTIME.set(Some((runtime.handle().clone(), count)));
            runtime.block_on(async {
                // From here on this is what the tasks of this thread find when they ask for the runtime.
                let _entered = shared.enter();
                let _ = ended.await; // an error is the end too
            });
            // Dropped, it would wait for the look-up of a name.
            runtime.shutdown_background();
        })?;
        Ok(Self::new(handle, Some(Own { end, thread })))
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
        let own = self.own.as_ref();
        own.is_some_and(|own| own.thread.is_finished()) || self.load.is_overdue()
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

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Waits until a thread has ended, but not for ever.
    fn end(thread: &mut Thread) {
        let own = thread.own.as_mut().unwrap();
        own.end = oneshot::channel().0;
        let patience = Instant::now() + PATIENCE;
        while !own.thread.is_finished() {
            assert!(Instant::now() < patience, "it goes on");
            thread::sleep(Duration::from_millis(20));
        }
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
            let spawned = tokio::spawn(async { name() }).await.unwrap();
            (first, Handle::current().id(), name(), spawned)
        });
        let (first, later, name, spawned) = asking.await.unwrap();
        assert_eq!([first, later], [here, here]);
        assert_eq!(name, "duck-1");
        assert_ne!(spawned, "duck-1");
    }

    fn name() -> String {
        thread::current().name().unwrap_or_default().to_owned()
    }

    /// What the documentation of [`thread_runtime`] says.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn the_runtime_of_a_thread_is_its_own_or_else_the_one_that_everybody_finds() {
        let threads = Threads::start(2, &Handle::current()).unwrap();
        let (shared, mut seen) = (Handle::current().id(), vec![Handle::current().id()]);
        for (number, thread) in (1..).zip(&threads.0) {
            let asking = thread.runtime().spawn(async {
                let own = thread_runtime();
                let elsewhere = tokio::spawn(async { (thread_runtime().id(), thread_count()) });
                let name = own.spawn(async { name() }).await.unwrap();
                ((own.id(), thread_count()), name, elsewhere.await)
            });
            let (own, name, elsewhere) = asking.await.unwrap();
            assert_eq!(own, (thread.runtime().id(), 2));
            assert_eq!(elsewhere.unwrap(), (shared, 1));
            let own = own.0;
            assert_eq!(name, format!("duck-{number}"));
            assert!(!seen.contains(&own), "each has its own");
            seen.push(own);
        }
        assert_eq!(thread_runtime().id(), shared);
    }
}
