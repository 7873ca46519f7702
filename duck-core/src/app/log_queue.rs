//! Lines that wait for the thread that writes them: no request waits for a pipe that is full or for a slow
//! disk. A line that finds no room is dropped and counted.

use std::mem::take;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::log_output::{Destination, Output, lines};

/// Bytes that wait to be written.
const ROOM: usize = 1024 * 1024;

/// How long the thread waits for more lines when there is one: so it is woken two hundred times a second at
/// most, and writes the lines of that time at once.
const GATHERING: Duration = Duration::from_millis(5);

pub(crate) struct LogQueue {
    waiting: Mutex<Waiting>,
    /// There is something to do for the thread.
    filled: Condvar,
    /// The thread has done what was asked by `Waiting::flush`.
    flushed: Condvar,
}

struct Waiting {
    text: Vec<u8>,
    /// Lines for which there was no room.
    dropped: u64,
    /// Somebody waits until all of this is written.
    flush: bool,
    /// From the next line on they go to another place.
    moved: bool,
    /// The thread ends when all of this is written.
    closed: bool,
}

impl Waiting {
    const fn new() -> Self {
        Self {
            text: Vec::new(),
            dropped: 0,
            flush: false,
            moved: false,
            closed: false,
        }
    }

    fn is_idle(&self) -> bool {
        self.text.is_empty() && self.dropped == 0 && !self.is_urgent()
    }

    fn is_urgent(&self) -> bool {
        self.flush || self.moved || self.closed
    }

    fn add(&mut self, text: &[u8]) {
        if text.len() <= ROOM - self.text.len() {
            self.text.extend_from_slice(text);
        } else {
            self.dropped += lines(text);
        }
    }
}

impl LogQueue {
    pub(crate) const fn new() -> Self {
        Self {
            waiting: Mutex::new(Waiting::new()),
            filled: Condvar::new(),
            flushed: Condvar::new(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves whole lines to the thread.
    pub(crate) fn add(&self, text: &[u8]) {
        let mut waiting = self.waiting();
        let was_idle = waiting.is_idle();
        waiting.add(text);
        drop(waiting);
        if was_idle {
            self.filled.notify_one();
        }
    }

    /// Waits until everything so far is written, for this long at most. Returns whether it is.
    pub(crate) fn flush(&self, patience: Duration) -> bool {
        let mut waiting = self.waiting();
        waiting.flush = true;
        self.filled.notify_one();
        let waited = self
            .flushed
            .wait_timeout_while(waiting, patience, |waiting| waiting.flush);
        let (waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !waiting.flush
    }

    /// Has the thread call [`Destination::change`] behind the lines that wait now.
    pub(crate) fn change_destination(&self) {
        self.waiting().moved = true;
        self.filled.notify_one();
    }

    /// Has the thread end when it has written what waits.
    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.filled.notify_one();
    }

    /// What the thread does: writes the lines until the queue is closed.
    pub(crate) fn empty_into(&self, mut out: Output<impl Destination>) {
        let mut text = Vec::new();
        loop {
            let waited = self.filled.wait_while(self.waiting(), |new| new.is_idle());
            let waiting = waited.unwrap_or_else(PoisonError::into_inner);
            let waited = self
                .filled
                .wait_timeout_while(waiting, GATHERING, |new| !new.is_urgent());
            let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
            text.clear();
            std::mem::swap(&mut text, &mut waiting.text);
            let (dropped, moved) = (take(&mut waiting.dropped), take(&mut waiting.moved));
            let (flush, closed) = (waiting.flush, waiting.closed);
            drop(waiting);
            out.put(&text, dropped);
            if moved {
                out.change();
            }
            if flush {
                self.waiting().flush = false;
                self.flushed.notify_all();
            }
            if closed {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_bounded() {
        let mut waiting = Waiting::new();
        let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
        for _ in 0..2000 {
            waiting.add(&line);
        }
        assert_eq!((waiting.text.len(), waiting.dropped), (ROOM, 976));
        waiting.add(&line.repeat(ROOM / 1000));
        assert_eq!(
            (waiting.text.len(), waiting.dropped),
            (ROOM, 976 + ROOM as u64 / 1000)
        );
    }
}
