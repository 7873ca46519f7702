//! The work of [`KeyAsFolderCache`](super::KeyAsFolderCache) on the disk, all of it blocking.
//!
//! Whoever changes something in a bucket holds the bucket's lock, in this process and in others.
//! Readers take none: a record appears, changes and goes in one step each.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::AtomicU8;
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use uuid::Uuid;

use super::name::Name;
use super::record::{self, Found, present};
use crate::cache::directory::Directory;
use crate::clock::{Clock, millis};

/// What a record's file is called before it is whole.
pub(super) const TEMP_PREFIX: &str = ".tmp-";

pub(super) const SWEEP_LOCK: &str = "sweep.lock";

/// The folder of all records, and of their format.
pub(super) const VERSION: &str = "v1";
pub(super) const LOCKS: &str = "locks";

/// A record to be written.
pub(super) struct NewRecord {
    bytes: Vec<u8>,
    durable: bool,
}

impl NewRecord {
    pub(super) fn new(value: &[u8], expires: u64, durable: bool) -> io::Result<Self> {
        let bytes = record::encode(value, expires)?;
        Ok(Self { bytes, durable })
    }
}

/// What a new file may do to one that is there.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Taken,
    Free,
}

#[derive(Debug)]
pub(super) struct Store {
    /// `SESSION_DIR` itself.
    #[cfg(feature = "commands")]
    pub(super) outer: Directory,
    pub(super) root: Directory,
    pub(super) locks: Directory,
    pub(super) clock: Clock,
    /// The bucket where the next sweep goes on.
    pub(super) next_bucket: AtomicU8,
    pub(super) sync_deletes: bool,
}

impl Store {
    /// Opens `path` with all its buckets and locks. Those are made here, so that a full disk keeps
    /// nobody from logging out.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let outer = Directory::open(path)?;
        let root = outer.open_inner(path, VERSION)?;
        let locks = root.open_inner(&path.join(VERSION), LOCKS)?;
        let is_new = make_frame(&root, &locks).map_err(|error| {
            let text = format!(
                "the session directory {} cannot be used: {error}",
                path.display()
            );
            io::Error::new(error.kind(), text)
        })?;
        can_lock(path, &root.lock_file(SWEEP_LOCK)?)?;
        if is_new {
            // A durable record is worth nothing in a bucket that is not.
            root.sync()?;
            outer.sync()?;
        }
        Ok(Self {
            #[cfg(feature = "commands")]
            outer,
            root,
            locks,
            clock: Clock::default(),
            next_bucket: AtomicU8::new(0),
            sync_deletes: true,
        })
    }

    /// When something that lives for `ttl` from now on expires.
    pub(super) fn expiry(&self, ttl: Option<Duration>) -> u64 {
        ttl.map_or(0, |ttl| self.clock.now().saturating_add(millis(ttl)))
    }

    pub(super) fn get(&self, name: &Name) -> io::Result<Found> {
        let found = self.find(name)?;
        if found == Found::Garbage {
            tracing::warn!(target: "duck_session", "a session file holds no readable record");
        }
        Ok(found)
    }

    /// Removes a record that was seen to be expired since `then`, unless it was written again
    /// meanwhile. Left there it would come back when the clock is set back.
    pub(super) fn forget(&self, name: &Name, then: u64) -> io::Result<()> {
        let _lock = self.lock(name.bucket())?;
        match self.find_at(name, || then)? {
            Found::Expired(_) => self.remove(name, false),
            _ => Ok(()),
        }
    }

    pub(super) fn set(&self, name: &Name, new: &NewRecord) -> io::Result<()> {
        let _lock = self.lock(name.bucket())?;
        self.write(name, new, Place::Taken).map(drop)
    }

    pub(super) fn delete(&self, name: &Name) -> io::Result<()> {
        let _lock = self.lock(name.bucket())?;
        self.remove(name, self.sync_deletes)
    }

    pub(super) fn compare_and_swap(
        &self,
        name: &Name,
        expected: Option<&[u8]>,
        new: Option<&NewRecord>,
    ) -> io::Result<bool> {
        let _lock = self.lock(name.bucket())?;
        let found = self.find(name)?;
        let place = match found {
            Found::Nothing => Place::Free,
            _ => Place::Taken,
        };
        if found.value().as_deref() != expected {
            return Ok(false);
        }
        match new {
            Some(new) => self.write(name, new, place),
            None if expected.is_none() => Ok(true),
            None => self.remove(name, self.sync_deletes).map(|()| true),
        }
    }

    /// Waits for the lock of a bucket; closing the file gives it back, as does the end of the
    /// process.
    pub(super) fn lock(&self, bucket: &str) -> io::Result<File> {
        let file = self.locks.lock_file(bucket)?;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))?;
        Ok(file)
    }

    /// Removes a record and its folder. The bucket is locked.
    pub(super) fn remove(&self, name: &Name, sync: bool) -> io::Result<()> {
        let Some(bucket) = present(self.root.folder(name.bucket()))? else {
            return Ok(());
        };
        let Some(folder) = present(bucket.folder(name.as_str()))? else {
            return Ok(());
        };
        let existed = folder.has_file(record::NAME)?;
        if existed {
            folder.remove_file(record::NAME)?;
        }
        let folder_gone = bucket.remove_folder(name.as_str())?;
        match (existed && sync, folder_gone) {
            (false, _) => Ok(()),
            (true, true) => bucket.sync(),
            (true, false) => folder.sync(),
        }
    }

    fn find(&self, name: &Name) -> io::Result<Found> {
        self.find_at(name, || self.clock.now())
    }

    fn find_at(&self, name: &Name, now: impl FnOnce() -> u64) -> io::Result<Found> {
        record::read(&self.root, &name.file(record::NAME), now)
    }

    /// Writes a record and says whether its place was free, where it had to be. The bucket is
    /// locked.
    fn write(&self, name: &Name, new: &NewRecord, place: Place) -> io::Result<bool> {
        let folder = self.folder_for(name)?;
        let written = write_record(&folder, new, place);
        match &written {
            Ok(()) if new.durable => self.sync(name, &folder)?,
            Ok(()) => {}
            Err(_) => self.remove_if_empty(name),
        }
        match written {
            Err(error) if place == Place::Free && error.kind() == ErrorKind::AlreadyExists => {
                Ok(false)
            }
            written => written.map(|()| true),
        }
    }

    fn folder_for(&self, name: &Name) -> io::Result<Directory> {
        if let Some(folder) = present(self.root.folder(&name.path()))? {
            return Ok(folder);
        }
        // Buckets stay, but an administrator may have removed one by hand.
        self.root.make_folder(name.bucket())?;
        let bucket = self.root.folder(name.bucket())?;
        bucket.make_folder(name.as_str())?;
        bucket.folder(name.as_str())
    }

    /// The folder may be as new as the record in it, so its own name has to last too.
    fn sync(&self, name: &Name, folder: &Directory) -> io::Result<()> {
        folder.sync()?;
        self.root.folder(name.bucket())?.sync()
    }

    /// Best effort after a failure that is reported already; the sweep removes what stays.
    fn remove_if_empty(&self, name: &Name) {
        let _ = self
            .root
            .folder(name.bucket())
            .and_then(|bucket| bucket.remove_folder(name.as_str()));
    }
}

/// Makes all buckets and locks and says whether there were any to be made.
fn make_frame(root: &Directory, locks: &Directory) -> io::Result<bool> {
    let mut is_new = false;
    for bucket in buckets() {
        is_new |= root.make_folder(&bucket)?;
        locks.lock_file(&bucket)?;
    }
    root.lock_file(SWEEP_LOCK)?;
    Ok(is_new)
}

fn write_record(folder: &Directory, new: &NewRecord, place: Place) -> io::Result<()> {
    folder.has_file(record::NAME)?;
    let mut temp = Temp::new(folder)?;
    temp.file.write_all(&new.bytes)?;
    if new.durable {
        temp.file.sync_data()?;
    }
    temp.become_record(place)
}

/// A file that goes again unless it becomes the record.
struct Temp<'a> {
    folder: &'a Directory,
    file: File,
    name: String,
}

impl<'a> Temp<'a> {
    fn new(folder: &'a Directory) -> io::Result<Self> {
        let name = format!("{TEMP_PREFIX}{}", Uuid::new_v4().simple());
        Ok(Self {
            folder,
            file: folder.new_file(&name)?,
            name,
        })
    }

    fn become_record(mut self, place: Place) -> io::Result<()> {
        match place {
            Place::Taken => self.folder.replace(&self.name, record::NAME)?,
            Place::Free => self.folder.place(&self.name, record::NAME)?,
        }
        self.name.clear();
        Ok(())
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            let _ = self.folder.remove_file(&self.name);
        }
    }
}

/// The names of all buckets and of their locks.
pub(super) fn buckets() -> impl Iterator<Item = String> {
    (0..=u8::MAX).map(bucket)
}

pub(super) fn bucket(number: u8) -> String {
    format!("{number:02x}")
}

/// The keys that have a folder in this bucket.
pub(super) fn names(bucket: &Directory) -> io::Result<Vec<Name>> {
    let names = bucket.names()?;
    Ok(names.iter().filter_map(|name| Name::parse(name)).collect())
}

/// Takes a lock if nobody has it.
pub(super) fn try_lock(file: &File) -> io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Ok(false),
        result => Ok(result.map(|()| true)?),
    }
}

/// Some network file systems have no locks; sessions would be lost there without a word.
fn can_lock(path: &Path, file: &File) -> io::Result<()> {
    try_lock(file).map(drop).map_err(|error| {
        let path = path.display();
        let text = format!("the file system of {path} has no locks ({error}): choose another one");
        io::Error::new(error.kind(), text)
    })
}
