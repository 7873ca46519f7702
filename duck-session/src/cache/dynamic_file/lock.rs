use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::failure::Failure;
use crate::cache::directory::Directory;

/// How long a process waits for the others that share the folder.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

pub(super) const NAME: &str = "shards.lock";

/// Says what the file is for to whoever finds it.
const HEADER: &[u8] =
    b"Locked while sessions are written. One dot for each start, new shard and removed shard.\n";

/// The lock file of a folder: whoever holds it is the only one of all processes that writes.
///
/// The kernel releases it when a process dies. It grows whenever a shard is made or removed, so that
/// others find out with one `stat` that their listing is old.
#[derive(Debug)]
pub(super) struct FolderLock {
    folder: PathBuf,
    path: PathBuf,
    file: Arc<File>,
}

/// The lock while it is held; dropping it lets the next process write.
#[derive(Debug)]
pub(super) struct Locked(Arc<File>);

/// Which lock file it is, and how many changes it counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    length: u64,
}

impl FolderLock {
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(NAME);
        let file = open(folder).map_err(Failure::at(&path, "opened"))?;
        Ok(Self {
            folder: folder.to_owned(),
            path,
            file: Arc::new(file),
        })
    }

    /// Waits for the lock, at most for [`PATIENCE`].
    pub(super) fn acquire(&mut self) -> Result<Locked, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.wait(deadline)
                .map_err(Failure::at(&self.path, "locked"))?;
            let locked = Locked(Arc::clone(&self.file));
            if self.is_current() {
                return Ok(locked);
            }
            if Instant::now() >= deadline {
                let path = self.path.display();
                return Err(Failure::new(format!("{path} is replaced again and again")));
            }
            // The file was deleted or replaced under us: others lock another one by now.
            let opened = open(&self.folder).map_err(Failure::at(&self.path, "opened"));
            self.file = Arc::new(opened?);
        }
    }

    fn wait(&self, deadline: Instant) -> io::Result<()> {
        loop {
            match flock(&*self.file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_micros(200));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_current(&self) -> bool {
        let held = self.file.metadata().map(|data| (data.dev(), data.ino()));
        let named = fs::symlink_metadata(&self.path).map(|data| (data.dev(), data.ino()));
        matches!((held, named), (Ok(held), Ok(named)) if held == named)
    }
}

/// The folder may be another one by now, so it is held to its rules again.
fn open(folder: &Path) -> io::Result<File> {
    let mut file = Directory::open_existing(folder)?.lock_file(NAME)?;
    if file.metadata()?.len() == 0 {
        file.write_all(HEADER)?;
    }
    Ok(file)
}

impl Locked {
    /// Tells every process that shares the folder that shards came or went.
    pub(super) fn announce_change(&self) -> io::Result<()> {
        (&*self.0).write_all(b".")
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing the file would do it too; there is nothing to tell anybody.
        let _ = flock(&*self.0, FlockOperation::Unlock);
    }
}

impl Stamp {
    /// The stamp of `folder` as it is now.
    pub(super) fn of(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(NAME);
        let data = fs::symlink_metadata(&path).map_err(Failure::at(&path, "read"))?;
        Ok(Self {
            inode: data.ino(),
            length: data.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = FolderLock::open(folder.path()).unwrap();
        let second = FolderLock::open(folder.path()).unwrap();
        let held = first.acquire().unwrap();
        assert!(second.wait(Instant::now()).is_err());
        drop(held);
        assert!(second.wait(Instant::now()).is_ok());
    }

    #[test]
    fn a_deleted_lock_file_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut lock = FolderLock::open(folder.path()).unwrap();
        let before = Stamp::of(folder.path()).unwrap();
        fs::remove_file(folder.path().join(NAME)).unwrap();
        lock.acquire().unwrap().announce_change().unwrap();
        assert_ne!(Stamp::of(folder.path()).unwrap(), before);
    }

    #[test]
    fn a_symlink_in_its_place_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("elsewhere", folder.path().join(NAME)).unwrap();
        assert!(FolderLock::open(folder.path()).is_err());
        assert!(!folder.path().join("elsewhere").exists());
    }
}
