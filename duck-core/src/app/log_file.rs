//! A file that lines are added to by a thread, and that may be moved away meanwhile.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::log_output::{Destination, Output};
use super::log_queue::LogQueue;

/// How long the end of the site waits for the last lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);

/// Readable by the site's user and group: it says who asked for what.
const MODE: u32 = 0o640;

/// The thread ends when this is dropped.
pub(crate) struct LogFile {
    queue: Arc<LogQueue>,
    path: PathBuf,
    next: Arc<Mutex<Option<File>>>,
}

impl LogFile {
    /// Opens the file, which is made if it is missing, and starts the thread. `dropped` writes the line that says
    /// how many are missing.
    pub(crate) fn open(path: PathBuf, dropped: fn(u64) -> String) -> io::Result<Self> {
        let (queue, next) = (Arc::new(LogQueue::new()), Arc::default());
        let own = OpenFile {
            file: open(&path)?,
            next: Arc::clone(&next),
            dropped,
        };
        let thread = thread::Builder::new().name("access log".into());
        let lines = queue.clone();
        thread.spawn(move || lines.empty_into(Output::new(own)))?;
        Ok(Self { queue, path, next })
    }

    pub(crate) fn add(&self, text: &[u8]) {
        self.queue.add(text);
    }

    /// Opens the file of that name anew: the lines that come from now on go there.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        let file = open(&self.path)?;
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        self.queue.change_destination();
        Ok(())
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.queue.flush(PATIENCE);
        self.queue.close();
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(MODE).open(path)
}

struct OpenFile {
    file: File,
    next: Arc<Mutex<Option<File>>>,
    dropped: fn(u64) -> String,
}

impl Write for OpenFile {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.file.write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Destination for OpenFile {
    fn dropped(&self, lines: u64) -> String {
        (self.dropped)(lines)
    }

    fn failed(&self, error: &io::Error) {
        tracing::error!(target: "duck", %error,
            "ACCESS_LOG_FILE cannot be written: its lines are dropped and counted until it can");
    }

    fn change(&mut self) {
        let next = self
            .next
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(next) = next {
            self.file = next;
        }
    }
}
