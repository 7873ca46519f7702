use std::io::{IsTerminal, Write};
use std::vec;

use duck::Result;

use crate::engine::administration::{Administration, Inspected};

/// Reads all that is stored, a page at a time: a million sessions are never held at once.
pub(super) struct Scan<'a> {
    administration: &'a dyn Administration,
    page: vec::IntoIter<Inspected>,
    next: Option<String>,
    is_over: bool,
    looked_at: usize,
    /// What the store could not read, so far.
    pub(super) unreadable: usize,
    progress: Progress,
}

impl<'a> Scan<'a> {
    pub(super) fn new(administration: &'a dyn Administration) -> Self {
        Self {
            administration,
            page: Vec::new().into_iter(),
            next: None,
            is_over: false,
            looked_at: 0,
            unreadable: 0,
            progress: Progress::default(),
        }
    }

    /// The next session; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Inspected>> {
        loop {
            if let Some(session) = self.page.next() {
                return Ok(Some(session));
            }
            if self.is_over {
                return Ok(None);
            }
            self.turn().await?;
        }
    }

    async fn turn(&mut self) -> Result<()> {
        let page = self.administration.page(self.next.take()).await?;
        self.is_over = page.next.is_none();
        self.next = page.next;
        self.looked_at += page.sessions.len();
        self.unreadable += page.unreadable;
        if self.is_over {
            self.progress.clear();
        } else {
            self.progress.show(self.looked_at);
        }
        self.page = page.sessions.into_iter();
        Ok(())
    }
}

/// How far a scan is, on a terminal's last line.
#[derive(Default)]
struct Progress {
    is_shown: bool,
}

impl Progress {
    fn show(&mut self, count: usize) {
        let mut screen = std::io::stderr();
        if screen.is_terminal() {
            self.is_shown = true;
            // Nobody misses what cannot be shown.
            let _ = write!(screen, "\r  {count} looked at ").and_then(|()| screen.flush());
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
