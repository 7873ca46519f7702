use std::io::ErrorKind;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use super::failure::Failure;
use crate::store::directory::Directory;

/// How long a process waits for another one that makes or removes a shard.
const PATIENCE: Duration = Duration::from_secs(10);

const RETRY: Duration = Duration::from_micros(200);

/// The lock of a folder while it is held: whoever has it is the only one of all processes that makes or
/// removes shards. The kernel releases it when the folder is closed, or the process dies. (Whoever changes
/// sessions has SQLite's lock on the shard.)
#[derive(Debug)]
pub(super) struct FolderLock {
    _folder: Directory,
}

impl FolderLock {
    /// Waits for the lock.
    pub(super) fn acquire(path: &Path) -> Result<Self, Failure> {
        let deadline = Instant::now() + PATIENCE;
        // The folder may be another one by now, so it is held to its rules again.
        let folder = Directory::open_existing(path).map_err(Failure::at(path, "opened"))?;
        loop {
            match folder.lock(FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _folder: folder }),
                Err(error)
                    if error.kind() != ErrorKind::WouldBlock || Instant::now() >= deadline =>
                {
                    return Err(Failure::at(path, "locked")(error));
                }
                Err(_) => thread::sleep(RETRY),
            }
        }
    }
}
