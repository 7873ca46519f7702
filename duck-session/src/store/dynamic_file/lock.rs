use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::failure::Failure;
use crate::store::directory::Directory;

pub(super) const NAME: &str = "shards.lock";

/// How long a process waits for another one that makes or removes a shard.
const PATIENCE: Duration = Duration::from_secs(10);

const RETRY: Duration = Duration::from_micros(200);

/// The lock of a folder while it is held: whoever has it is the only one of all processes that makes or
/// removes shards. The kernel releases it when the process dies. (Who changes sessions has SQLite's lock on
/// the shard.)
#[derive(Debug)]
pub(super) struct FolderLock(File);

impl FolderLock {
    /// Waits for the lock.
    pub(super) fn acquire(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(NAME);
        let deadline = Instant::now() + PATIENCE;
        loop {
            // The folder may be another one by now, so it is held to its rules again.
            let file = Directory::open_existing(folder).and_then(|folder| folder.lock_file(NAME));
            let file = file.map_err(Failure::at(&path, "opened"))?;
            wait(&file, deadline).map_err(Failure::at(&path, "locked"))?;
            // Where the file was replaced meanwhile, others lock another one.
            if is_at(&file, &path) {
                return Ok(Self(file));
            }
            if Instant::now() >= deadline {
                let path = path.display();
                return Err(Failure::new(format!("{path} is replaced again and again")));
            }
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing the file would do it too; there is nothing to tell anybody.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

fn wait(file: &File, deadline: Instant) -> io::Result<()> {
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => thread::sleep(RETRY),
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let held = file.metadata().map(|data| (data.dev(), data.ino()));
    let named = fs::symlink_metadata(path).map(|data| (data.dev(), data.ino()));
    matches!((held, named), (Ok(held), Ok(named)) if held == named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let held = FolderLock::acquire(folder.path()).unwrap();
        let second = File::open(folder.path().join(NAME)).unwrap();
        assert!(wait(&second, Instant::now()).is_err());
        drop(held);
        assert!(wait(&second, Instant::now()).is_ok());
    }

    #[test]
    fn a_replaced_lock_file_is_not_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let held = FolderLock::acquire(folder.path()).unwrap();
        let path = folder.path().join(NAME);
        assert!(is_at(&held.0, &path));
        fs::remove_file(&path).unwrap();
        let _other = FolderLock::acquire(folder.path()).unwrap();
        assert!(!is_at(&held.0, &path));
    }

    #[test]
    fn a_symlink_in_its_place_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("elsewhere", folder.path().join(NAME)).unwrap();
        assert!(FolderLock::acquire(folder.path()).is_err());
        assert!(!folder.path().join("elsewhere").exists());
    }
}
