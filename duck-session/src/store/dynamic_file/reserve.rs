use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// As much as a shard may grow when its log is copied into it.
const MOST: u64 = 5 << 20;

/// With less nothing could be done.
const LEAST: u64 = 32 << 10;

/// Space that is set aside so that sessions can be removed from a full disk.
///
/// A removal is first written to the log, and the log starts over only when all of it was copied
/// into the shard: with the disk full, there is room for neither.
#[derive(Debug)]
pub(super) struct Reserve(PathBuf);

impl Reserve {
    pub(super) fn new(folder: &Path) -> Self {
        Self(folder.join("shards.reserve"))
    }

    /// Gives the space to whoever writes next.
    pub(super) fn release(&self) {
        let _ = fs::remove_file(&self.0);
    }

    /// Sets space aside if that is not done yet. Without it all else works, so a failure is nobody's concern.
    pub(super) fn keep(&self) {
        if !self.0.exists() && self.allocate().is_err() {
            self.release();
        }
    }

    /// On a small disk takes half of what is free: the rest is for logs, and what is in them has to fit into
    /// the shards.
    fn allocate(&self) -> io::Result<()> {
        let disk = statvfs(self.0.parent().unwrap_or(&self.0))?;
        let half = disk.f_bavail.saturating_mul(disk.f_frsize) / 2;
        if half < LEAST {
            return Ok(());
        }
        let mut new = OpenOptions::new();
        let file = new.write(true).create_new(true).mode(0o600).open(&self.0)?;
        Ok(fallocate(
            &file,
            FallocateFlags::empty(),
            0,
            half.min(MOST),
        )?)
    }
}
