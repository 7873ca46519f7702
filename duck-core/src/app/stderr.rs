//! Standard error, where the log goes.
//!
//! While a site serves, one thread writes there ([`LogQueue`]). Otherwise whoever has a line writes it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use super::log_output::Output;
use super::log_queue::LogQueue;

/// How long the end of the program waits for the last lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);

static QUEUE: LogQueue = LogQueue::new();

/// How many want the thread to write: sites that serve.
static USERS: AtomicUsize = AtomicUsize::new(0);

/// The thread is there.
static STARTED: Mutex<bool> = Mutex::new(false);

/// Writes whole lines. It cannot fail: where nothing can be written, nobody can be told.
pub(crate) fn write(text: &[u8]) {
    if is_in_background() {
        QUEUE.add(text);
    } else {
        let _ = io::stderr().write_all(text);
    }
}

/// Writes whole lines if the thread does it: nobody waits for them.
pub(crate) fn offer(text: &[u8]) {
    if is_in_background() {
        QUEUE.add(text);
    }
}

/// Whether the thread writes what is written now.
pub(crate) fn is_in_background() -> bool {
    USERS.load(Ordering::Acquire) > 0
}

/// Waits until everything so far is written, for this long at most. Returns whether it is.
pub(crate) fn flush(patience: Duration) -> bool {
    !is_in_background() || QUEUE.flush(patience)
}

/// From now on the thread writes, until what this returns is dropped.
pub(crate) fn in_background() -> Background {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    *started = *started || start().is_ok();
    if *started {
        USERS.fetch_add(1, Ordering::AcqRel);
    }
    Background(*started)
}

/// Standard error is written by the thread, if there is one. When this is dropped, the last lines have been
/// written, unless nobody takes them.
#[must_use]
pub(crate) struct Background(bool);

impl Drop for Background {
    fn drop(&mut self) {
        if self.0 && flush(PATIENCE) {
            USERS.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

fn start() -> io::Result<()> {
    // A descriptor of our own: writing to `io::stderr()` would hold its lock while it waits.
    let out = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let thread = thread::Builder::new().name("stderr".into());
    thread.spawn(|| QUEUE.empty_into(Output::new(out, dropped, |_| {})))?;
    Ok(())
}

fn dropped(lines: u64) -> String {
    let time = humantime::format_rfc3339_micros(SystemTime::now());
    format!(
        "{time}  WARN {lines} lines of the log were dropped: standard error could not be written"
    )
}

/// What the log is written to.
#[cfg(feature = "cli")]
#[derive(Debug)]
pub(crate) struct Stderr;

#[cfg(feature = "cli")]
impl Write for Stderr {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        write(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
