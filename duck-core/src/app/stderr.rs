//! Standard error, where the log goes.
//!
//! While a site serves, one thread writes there, and whoever has a line for it leaves the line in a
//! queue: no request waits for a pipe that is full or for a slow disk. A line that finds the queue
//! full, or that cannot be written, is dropped and counted; the count is written as soon as
//! something can be written again.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::mem::take;
use std::os::fd::AsFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

/// Bytes that wait to be written.
const ROOM: usize = 1024 * 1024;

/// How long the end of the program waits for the last lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);

/// The pause before another try, where a descriptor that does not block has no room.
const PAUSE: Duration = Duration::from_millis(10);

/// Bytes that POSIX has a pipe take in one piece (`PIPE_BUF` of Linux).
const PIECE: usize = 4096;

static QUEUE: Mutex<Queue> = Mutex::new(Queue::new());
/// There is something to do for the thread.
static FILLED: Condvar = Condvar::new();
/// The thread has done what was asked by `Queue::flush`.
static FLUSHED: Condvar = Condvar::new();

struct Queue {
    /// The thread is there.
    started: bool,
    /// Text goes to the thread. Otherwise it is written by whoever has it.
    in_use: bool,
    text: Vec<u8>,
    /// Lines for which there was no room.
    dropped: u64,
    /// Somebody waits until all of this is written.
    flush: bool,
}

impl Queue {
    const fn new() -> Self {
        Self {
            started: false,
            in_use: false,
            text: Vec::new(),
            dropped: 0,
            flush: false,
        }
    }

    fn is_idle(&self) -> bool {
        self.text.is_empty() && self.dropped == 0 && !self.flush
    }

    fn add(&mut self, text: &[u8]) {
        if text.len() <= ROOM - self.text.len() {
            self.text.extend_from_slice(text);
        } else {
            self.dropped += lines(text);
        }
    }
}

fn queue() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

/// Writes whole lines. It cannot fail: where nothing can be written, nobody can be told.
pub(crate) fn write(text: &[u8]) {
    let mut queue = queue();
    if queue.in_use {
        let was_idle = queue.is_idle();
        queue.add(text);
        if was_idle {
            FILLED.notify_one();
        }
    } else {
        drop(queue);
        let _ = io::stderr().write_all(text);
    }
}

/// Whether the thread writes what is written now.
pub(crate) fn is_in_background() -> bool {
    queue().in_use
}

/// Waits until everything so far is written, for this long at most. Returns whether it is.
pub(crate) fn flush(patience: Duration) -> bool {
    let mut queue = queue();
    if !queue.in_use {
        return true;
    }
    queue.flush = true;
    FILLED.notify_one();
    let waited = FLUSHED.wait_timeout_while(queue, patience, |queue| queue.flush);
    let (queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
    !queue.flush
}

/// From now on the thread writes, until what this returns is dropped.
pub(crate) fn in_background() -> Background {
    let mut queue = queue();
    if !queue.started {
        queue.started = start().is_ok();
    }
    queue.in_use = queue.started;
    Background
}

/// Standard error is written by the thread. When this is dropped, the last lines have been
/// written, unless nobody takes them.
#[must_use]
pub(crate) struct Background;

impl Drop for Background {
    fn drop(&mut self) {
        if flush(PATIENCE) {
            queue().in_use = false;
        }
    }
}

fn start() -> io::Result<()> {
    // A descriptor of our own: writing to `io::stderr()` would hold its lock while it waits.
    let out = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let thread = thread::Builder::new().name("stderr".into());
    thread.spawn(|| empty_queue(Output::new(out)))?;
    Ok(())
}

fn empty_queue(mut out: Output<File>) {
    let mut text = Vec::new();
    loop {
        let waited = FILLED.wait_while(queue(), |queue| queue.is_idle());
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        text.clear();
        std::mem::swap(&mut text, &mut queue.text);
        let (dropped, flush) = (take(&mut queue.dropped), queue.flush);
        drop(queue);
        out.put(&text, dropped);
        if flush {
            self::queue().flush = false;
            FLUSHED.notify_all();
        }
    }
}

/// A place for lines that may refuse them.
struct Output<W> {
    out: W,
    /// Lines that were dropped since the last one was written.
    lost: u64,
    /// The last line was cut short.
    in_line: bool,
}

impl<W: Write> Output<W> {
    fn new(out: W) -> Self {
        Self {
            out,
            lost: 0,
            in_line: false,
        }
    }

    /// Writes lines, after which `dropped` others are missing.
    fn put(&mut self, text: &[u8], dropped: u64) {
        self.tell_lost();
        self.lost += if self.lost > 0 {
            lines(text)
        } else {
            self.write(text)
        };
        self.lost += dropped;
        self.tell_lost();
    }

    fn tell_lost(&mut self) {
        if self.lost == 0 {
            return;
        }
        let end_of_line = if self.in_line { "\n" } else { "" };
        let text = format!(
            "{end_of_line}{}  WARN {} lines of the log were dropped: standard error could not be written\n",
            humantime::format_rfc3339_micros(SystemTime::now()),
            self.lost,
        );
        if self.write(text.as_bytes()) == 0 {
            self.lost = 0;
        }
    }

    /// Returns how many lines could not be written to their end.
    fn write(&mut self, mut text: &[u8]) -> u64 {
        while !text.is_empty() {
            match self.out.write(at_once(text)) {
                Ok(0) => break,
                Ok(written) => {
                    self.in_line = text[written - 1] != b'\n';
                    text = &text[written..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
                Err(_) => break,
            }
        }
        lines(text)
    }
}

/// The lines at the front that a pipe takes in one piece, so that other programs that write to the
/// same pipe do not cut them apart. One line that is longer goes alone.
fn at_once(text: &[u8]) -> &[u8] {
    let front = &text[..text.len().min(PIECE)];
    let end = memchr::memrchr(b'\n', front).or_else(|| memchr::memchr(b'\n', text));
    end.map_or(text, |end| &text[..=end])
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with so much room.
    struct Disk {
        room: usize,
        text: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let written = text.len().min(self.room);
            self.room -= written;
            self.text.extend_from_slice(&text[..written]);
            match written {
                0 => Err(ErrorKind::StorageFull.into()),
                _ => Ok(written),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn disk(room: usize) -> Output<Disk> {
        let text = Vec::new();
        Output::new(Disk { room, text })
    }

    /// The lines, without the time at the front of those that begin with one.
    fn told(out: &Output<Disk>) -> Vec<String> {
        let text = String::from_utf8(out.out.text.clone()).unwrap();
        let untimed = |line: &str| line.split("  WARN ").last().unwrap_or_default().to_owned();
        text.lines().map(untimed).collect()
    }

    #[test]
    fn what_a_full_disk_refused_is_counted_and_told_when_there_is_room() {
        let mut out = disk(9);
        out.put(b"first\nsecond\nthird\n", 0);
        out.put(b"fourth\n", 0);
        assert_eq!(
            (told(&out), out.lost),
            (vec!["first".into(), "sec".into()], 3)
        );
        out.out.room = 1000;
        out.put(b"fifth\n", 0);
        let dropped = "3 lines of the log were dropped: standard error could not be written";
        assert_eq!(told(&out), ["first", "sec", dropped, "fifth"]);
        assert_eq!(out.lost, 0);
    }

    #[test]
    fn what_found_no_room_in_the_queue_is_told_where_it_is_missing() {
        let mut out = disk(1000);
        out.put(b"before\n", 2);
        out.put(b"after\n", 0);
        let dropped = "2 lines of the log were dropped: standard error could not be written";
        assert_eq!(told(&out), ["before", dropped, "after"]);
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut queue = Queue::new();
        let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
        for _ in 0..2000 {
            queue.add(&line);
        }
        assert_eq!((queue.text.len(), queue.dropped), (ROOM, 976));
        queue.add(&line.repeat(ROOM / 1000));
        assert_eq!(
            (queue.text.len(), queue.dropped),
            (ROOM, 976 + ROOM as u64 / 1000)
        );
    }

    /// Another program may have set the flag on the descriptor that we share with it.
    #[test]
    fn a_descriptor_that_does_not_block_is_waited_for() {
        struct Busy(u32, Vec<u8>);
        impl Write for Busy {
            fn write(&mut self, text: &[u8]) -> io::Result<usize> {
                self.0 += 1;
                match self.0 {
                    1 => Err(ErrorKind::WouldBlock.into()),
                    2 => Err(ErrorKind::Interrupted.into()),
                    _ => self.1.write(text),
                }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut out = Output::new(Busy(0, Vec::new()));
        out.put(b"line\n", 0);
        assert_eq!((out.out.1.as_slice(), out.lost), (b"line\n".as_slice(), 0));
    }
}
