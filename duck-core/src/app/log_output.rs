//! Where lines go that may not go: a full disk, a pipe whose reader has gone. What cannot be written is dropped
//! and counted, and the count is written as soon as something can be written again.

use std::io::{self, ErrorKind, Write};
use std::thread;
use std::time::Duration;

/// The pause before another try, where a descriptor that does not block has no room.
const PAUSE: Duration = Duration::from_millis(10);

/// Bytes that POSIX has a pipe take in one piece (`PIPE_BUF` of Linux).
const PIECE: usize = 4096;

pub(crate) fn lines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

/// A place for lines that may refuse them.
pub(crate) struct Output<W> {
    out: W,
    /// Makes the line that says how many are missing.
    dropped: fn(u64) -> String,
    /// Is told that something could not be written, for the first time since the last that could.
    failed: fn(&io::Error),
    /// Lines that were dropped since the last one was written.
    lost: u64,
    /// The last line was cut short.
    in_line: bool,
}

impl<W: Write> Output<W> {
    pub(crate) fn new(out: W, dropped: fn(u64) -> String, failed: fn(&io::Error)) -> Self {
        Self {
            out,
            dropped,
            failed,
            lost: 0,
            in_line: false,
        }
    }

    /// Writes lines, after which `dropped` others are missing.
    pub(crate) fn put(&mut self, text: &[u8], dropped: u64) {
        self.tell_lost();
        self.lost += if self.lost > 0 {
            lines(text)
        } else {
            self.write(text)
        };
        self.lost += dropped;
        self.tell_lost();
    }

    /// Goes on at another place.
    pub(crate) fn change(&mut self, out: W) {
        (self.out, self.in_line) = (out, false);
    }

    fn tell_lost(&mut self) {
        if self.lost == 0 {
            return;
        }
        let end_of_line = if self.in_line { "\n" } else { "" };
        let text = format!("{end_of_line}{}\n", (self.dropped)(self.lost));
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
                Err(error) => {
                    if self.lost == 0 {
                        (self.failed)(&error);
                    }
                    break;
                }
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

    fn output<W: Write>(out: W) -> Output<W> {
        Output::new(out, |lines| format!("{lines} are missing"), |_| {})
    }

    fn disk(room: usize) -> Output<Disk> {
        let text = Vec::new();
        output(Disk { room, text })
    }

    fn told(out: &Output<Disk>) -> Vec<String> {
        let text = String::from_utf8(out.out.text.clone()).unwrap();
        text.lines().map(str::to_owned).collect()
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
        let dropped = "3 are missing";
        assert_eq!(told(&out), ["first", "sec", dropped, "fifth"]);
        assert_eq!(out.lost, 0);
    }

    #[test]
    fn what_found_no_room_in_the_queue_is_told_where_it_is_missing() {
        let mut out = disk(1000);
        out.put(b"before\n", 2);
        out.put(b"after\n", 0);
        let dropped = "2 are missing";
        assert_eq!(told(&out), ["before", dropped, "after"]);
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
        let mut out = output(Busy(0, Vec::new()));
        out.put(b"line\n", 0);
        assert_eq!((out.out.1.as_slice(), out.lost), (b"line\n".as_slice(), 0));
    }
}
