//! A file that lines are added to by a thread, and that may be moved away meanwhile.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::log_output::Output;
use super::log_queue::LogQueue;

/// How long the end of the site waits for the last lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);

/// Readable by the site's user and group: it says who asked for what.
const MODE: u32 = 0o640;

/// The thread ends when this is dropped.
pub(crate) struct LogFile {
    queue: Arc<LogQueue>,
    path: PathBuf,
}

impl LogFile {
    /// Opens the file, which is made if it is missing, and starts the thread. `dropped` writes the line that says
    /// how many are missing.
    pub(crate) fn open(path: PathBuf, dropped: fn(u64) -> String) -> io::Result<Self> {
        let out = Output::new(open(&path)?, dropped, failed);
        let queue = Arc::new(LogQueue::new());
        let lines = queue.clone();
        let thread = thread::Builder::new().name("access log".into());
        thread.spawn(move || lines.empty_into(out))?;
        Ok(Self { queue, path })
    }

    pub(crate) fn add(&self, text: &[u8]) {
        self.queue.add(text);
    }

    /// Opens the file of that name anew: the lines that come from now on go there.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        self.queue.change_file(open(&self.path)?);
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

fn failed(error: &io::Error) {
    tracing::error!(target: "duck", %error,
        "ACCESS_LOG_FILE cannot be written: its lines are dropped and counted until it can");
}
