//! Lines that wait for the thread that writes them: no request waits for a pipe that is full or for a slow
//! disk. A line that finds no room is dropped and counted.

use std::fs::File;
use std::mem::take;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::log_output::{Output, lines};

/// Bytes that wait to be written.
const ROOM: usize = 1024 * 1024;

/// How long the thread waits for more lines when there is one: so it is woken two hundred times a second at
/// most, and writes the lines of that time at once.
const GATHERING: Duration = Duration::from_millis(5);

pub(crate) struct LogQueue {
    waiting: Mutex<Waiting>,
    /// There is something to do for the thread.
    filled: Condvar,
    /// [`Waiting::flushed`] has moved.
    flushed: Condvar,
}

struct Waiting {
    text: Vec<u8>,
    /// Lines for which there was no room.
    dropped: u64,
    /// How often somebody has asked for what there is to be written, and for how many of them it is. A number for
    /// each: what is asked for while the thread writes is about later lines.
    asked: u64,
    flushed: u64,
    /// The next lines go to this file.
    next: Option<File>,
    /// The thread ends when all of this is written.
    closed: bool,
}

impl Waiting {
    const fn new() -> Self {
        Self {
            text: Vec::new(),
            dropped: 0,
            asked: 0,
            flushed: 0,
            next: None,
            closed: false,
        }
    }

    fn is_idle(&self) -> bool {
        self.text.is_empty() && self.dropped == 0 && !self.is_urgent()
    }

    fn is_urgent(&self) -> bool {
        self.asked > self.flushed || self.next.is_some() || self.closed
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
        waiting.asked += 1;
        let own = waiting.asked;
        self.filled.notify_one();
        let waited = self
            .flushed
            .wait_timeout_while(waiting, patience, |waiting| waiting.flushed < own);
        let (waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        waiting.flushed >= own
    }

    /// Has the thread go on in another file behind the lines that wait now.
    pub(crate) fn change_file(&self, next: File) {
        self.waiting().next = Some(next);
        self.filled.notify_one();
    }

    /// Has the thread end when it has written what waits.
    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.filled.notify_one();
    }

    /// What the thread does: writes the lines until the queue is closed.
    pub(crate) fn empty_into(&self, mut out: Output<File>) {
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
            let (dropped, next) = (take(&mut waiting.dropped), waiting.next.take());
            let (asked, closed) = (waiting.asked, waiting.closed);
            let is_awaited = asked > waiting.flushed;
            drop(waiting);
            out.put(&text, dropped);
            if let Some(next) = next {
                out.change(next);
            }
            if is_awaited {
                self.waiting().flushed = asked;
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
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::thread;

    use super::*;

    /// Waits for another thread, but not for ever.
    fn wait_until(is_so: impl Fn() -> bool) {
        for _ in 0..10_000 {
            if is_so() {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("it never is");
    }

    #[test]
    fn whoever_asks_while_lines_are_written_waits_for_those_that_came_meanwhile() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let out = Output::new(OwnedFd::from(writer).into(), |_| String::new(), |_| {});
        // More than fits into the pipe.
        let mut lines = b"line\n".repeat(50_000);
        let queue = LogQueue::new();
        let (first, second) = thread::scope(|scope| {
            queue.add(&lines);
            let first = scope.spawn(|| queue.flush(Duration::from_secs(20)));
            wait_until(|| queue.waiting().asked == 1);
            scope.spawn(|| queue.empty_into(out));
            wait_until(|| queue.waiting().text.is_empty());
            queue.add(&lines);
            let second = scope.spawn(|| queue.flush(Duration::from_millis(100)));
            wait_until(|| queue.waiting().asked == 2);
            reader.read_exact(&mut lines).unwrap();
            let answers = (first.join().unwrap(), second.join().unwrap());
            reader.read_exact(&mut lines).unwrap();
            queue.close();
            answers
        });
        assert!(first, "all of it was read");
        assert!(!second, "nothing of it was read");
    }

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
