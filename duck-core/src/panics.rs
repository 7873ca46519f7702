//! Where panics happened: the hook is told the line, and whoever catches the panic is not.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{self, PanicHookInfo};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};

use tokio::task;

use crate::place::Place;

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

/// Remembers from now on where panics happen. The hook that was there before is called as well.
pub(crate) fn watch() {
    static WATCHING: Once = Once::new();
    if thread::panicking() {
        return; // a hook cannot be changed then
    }
    WATCHING.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            note(info);
            before(info);
        }));
    });
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
