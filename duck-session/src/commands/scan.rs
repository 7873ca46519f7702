use std::io::{IsTerminal, Write};

use duck::Result;

use crate::engine::administration::Administration;
use crate::engine::stored::{Stored, StoredPage};

/// A walk through all that is stored, a page at a time: a million sessions are never held at once.
pub(super) struct Scan<'a> {
    administration: &'a dyn Administration,
    at: Place,
    looked_at: usize,
    /// What the storage itself could not read, so far.
    pub(super) unreadable: usize,
    progress: Progress,
}

enum Place {
    Begin,
    After(String),
    End,
}

impl<'a> Scan<'a> {
    pub(super) fn new(administration: &'a dyn Administration) -> Self {
        Self {
            administration,
            at: Place::Begin,
            looked_at: 0,
            unreadable: 0,
            progress: Progress::new(),
        }
    }

    /// The next records, perhaps none of them; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Stored>>> {
        let after = match std::mem::replace(&mut self.at, Place::End) {
            Place::Begin => None,
            Place::After(place) => Some(place),
            Place::End => return Ok(None),
        };
        let StoredPage {
            records,
            unreadable,
            next,
        } = self.administration.page(after).await?;
        self.at = next.map_or(Place::End, Place::After);
        self.looked_at += records.len();
        self.unreadable += unreadable;
        match self.at {
            Place::After(_) => self.progress.show(self.looked_at),
            _ => self.progress.clear(),
        }
        Ok(Some(records))
    }
}

/// How far a walk is, on a terminal's last line.
struct Progress {
    on_terminal: bool,
    shown: bool,
}

impl Progress {
    fn new() -> Self {
        Self {
            on_terminal: std::io::stderr().is_terminal(),
            shown: false,
        }
    }

    fn show(&mut self, count: usize) {
        if self.on_terminal {
            self.shown = true;
            let mut screen = std::io::stderr();
            // What cannot be shown is missed by nobody.
            let _ = write!(screen, "\r  {count} looked at ").and_then(|()| screen.flush());
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
