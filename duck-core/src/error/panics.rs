//! Where panics happened: the hook is told the line, and whoever catches the panic is not.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::VecDeque;
use std::panic::{self, PanicHookInfo};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use tokio::task;

use crate::app::stderr;
use crate::error::place::Place;

/// Panics that nobody has asked about are kept, so many of the last.
const MOST: usize = 64;

static RECENT: Mutex<VecDeque<Panic>> = Mutex::new(VecDeque::new());

/// A panic, and what it can be recognised by.
struct Panic {
    thread: ThreadId,
    task: Option<task::Id>,
    message: Option<String>,
    place: Place,
}

/// How long a thread that panics waits for its message to be written: the panic may end the process.
const PATIENCE: Duration = Duration::from_millis(20);

/// Remembers from now on where panics happen. A hook that the program has set is called as well.
///
/// Rust's own hook writes to standard error and waits for as long as that takes. So while the log is
/// written in the background, the same message goes there instead.
pub(crate) fn watch() {
    static WATCHING: Once = Once::new();
    if thread::panicking() {
        return; // a hook cannot be changed then
    }
    WATCHING.call_once(|| {
        let before = panic::take_hook();
        let is_rusts_own = is_same(&*before, &*panic::take_hook());
        panic::set_hook(Box::new(move |info| {
            note(info);
            if is_rusts_own && stderr::is_in_background() {
                stderr::write(text(info).as_bytes());
                stderr::flush(PATIENCE);
            } else {
                before(info);
            }
        }));
    });
}

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// Whether two hooks are the same function. Rust's own has no state, so its address tells nothing; its
/// vtable does, and that is one, as it becomes a `Box<dyn Fn>` in one place.
fn is_same(one: &Hook, other: &Hook) -> bool {
    std::ptr::eq(one, other)
}

/// What Rust's own hook writes.
fn text(info: &PanicHookInfo<'_>) -> String {
    let thread = thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => format!("thread '{name}' {info}\n{backtrace}"),
        _ => format!("thread '{name}' {info}\n"),
    }
}

fn note(info: &PanicHookInfo<'_>) {
    let Some(location) = info.location() else {
        return;
    };
    let place = Place::of_panic(location);
    let mut recent = recent();
    if recent.len() == MOST {
        recent.pop_front();
    }
    recent.push_back(Panic {
        thread: thread::current().id(),
        task: task::try_id(),
        message: message(info.payload()).map(str::to_owned),
        place,
    });
}

/// What a panic says.
pub(crate) fn message(payload: &dyn Any) -> Option<&str> {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// Where a panic happened that was caught just now on this thread. One that was carried on with
/// `resume_unwind` did not come by the hook again: it is found by what it says.
pub(crate) fn place_of(payload: &dyn Any) -> Option<Place> {
    let (message, here) = (message(payload), thread::current().id());
    let says_so = |panic: &Panic| panic.message.as_deref() == message;
    take(|panic| panic.thread == here && says_so(panic)).or_else(|| take(says_so))
}

/// Where a task panicked.
pub(crate) fn place_of_task(id: task::Id) -> Option<Place> {
    take(|panic| panic.task == Some(id))
}

/// The last panic of this kind.
fn take(is_it: impl Fn(&Panic) -> bool) -> Option<Place> {
    let mut recent = recent();
    let last = recent.iter().rposition(is_it)?;
    recent.remove(last).map(|panic| panic.place)
}

fn recent() -> MutexGuard<'static, VecDeque<Panic>> {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner)
}
