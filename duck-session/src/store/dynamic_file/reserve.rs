use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

pub(super) const NAME: &str = "shards.reserve";

/// As much as a shard may grow when its log is copied into it.
const MOST: u64 = 5 << 20;
const LEAST: u64 = 32 << 10;

/// What SQLite takes beside a shard and its log.
const INDEX: u64 = 32 << 10;

const PAGE: u64 = 4096;

/// Space that is set aside so that sessions can be removed from a full disk.
///
/// A removal is first written to the log, and the log starts over only when all of it was copied
/// into the shard: with the disk full, there is room for neither.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            path: folder.join(NAME),
        }
    }

    /// Gives the space to whoever writes next.
    pub(super) fn release(&self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Sets aside what there is, up to a limit, if that is not done yet. Without it all else works,
    /// so a failure is nobody's concern.
    pub(super) fn keep(&self) {
        if self.path.exists() {
            return;
        }
        let size = self.size().unwrap_or_default();
        if size >= LEAST && self.allocate(size).is_err() {
            self.release();
        }
    }

    /// On a small disk half of it: the rest is the log, and what is in the log has to fit into the
    /// shard.
    fn size(&self) -> io::Result<u64> {
        let disk = statvfs(self.path.parent().unwrap_or(&self.path))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let half = free.saturating_sub(INDEX) / 2;
        Ok(MOST.min(half / PAGE * PAGE))
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        let file: File = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.path)?;
        Ok(fallocate(&file, FallocateFlags::empty(), 0, size)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_kept_and_released() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(folder.path());
        reserve.keep();
        reserve.keep();
        assert_eq!(fs::metadata(&reserve.path).unwrap().len(), MOST);
        reserve.release();
        reserve.release();
        assert!(!reserve.path.exists());
    }
}
