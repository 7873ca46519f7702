//! The file of one session: opened, locked, read, written in place or replaced.

use std::fs::File;
use std::io;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::slot::{self, Slots};
use crate::store::directory::{Directory, FileStat, present};
use crate::store::{SessionKey, StoredSession};

/// What the file is called in the folder of its session.
pub(super) const NAME: &str = "record";

/// What it is called while a larger one is made to replace it.
pub(super) const BESIDE: &str = "record.new";

/// How often somebody may be faster before we give up. A file system that says of files which are there
/// that they are gone shall not keep us for ever.
pub(super) const TRIES: u32 = 1000;

/// Whether an operation may wait for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Yes,
    /// It fails with [`io::ErrorKind::WouldBlock`] instead.
    No,
}

/// The open file of a session.
#[derive(Debug)]
pub(super) struct Record {
    file: File,
    stat: FileStat,
}

/// What is under a key.
#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    /// A file with no state of a session that is whole.
    Garbage,
    Session(StoredSession, FileStat),
}

/// Reads the session in a file. No lock is taken: what is acknowledged is whole in one slot, whatever is
/// written into another.
///
/// But if one is torn, it may be the newest: then writers that overtook us twice are waited for, and the
/// file is read again.
pub(super) fn find(
    root: &Directory,
    key: &SessionKey,
    path: &str,
    wait: Wait,
) -> io::Result<Found> {
    let mut locked = false;
    for _ in 0..TRIES {
        let Some((file, stat)) = present(root.record(path))? else {
            return Ok(Found::Nothing);
        };
        let mut record = Record { file, stat };
        if locked {
            record.lock(FlockOperation::LockShared, wait)?;
            if record.stat.links == 0 {
                continue;
            }
        }
        let Some(slots) = record.slots()? else {
            return Ok(match record.stat.len {
                0 => Found::Nothing, // it is being made
                _ => Found::Garbage,
            });
        };
        if slots.has_torn() && !locked {
            locked = true;
            continue;
        }
        return Ok(match slots.session(*key) {
            Some(session) => Found::Session(session, record.stat),
            None => Found::Garbage,
        });
    }
    Err(kept_changing())
}

impl Record {
    /// Opens the file and waits until nobody else writes it. `None` where there is none.
    pub(super) fn open_locked(
        folder: &Directory,
        path: &str,
        wait: Wait,
    ) -> io::Result<Option<Self>> {
        for _ in 0..TRIES {
            let Some(file) = present(folder.record_to_write(path))? else {
                return Ok(None);
            };
            let record = Self::locked(file, wait)?;
            // Otherwise it was removed or replaced while we waited.
            if record.stat.links > 0 {
                return Ok(Some(record));
            }
        }
        Err(kept_changing())
    }

    /// Waits for the lock of an open file. Closing the file gives it back, as does the end of the process.
    pub(super) fn locked(file: File, wait: Wait) -> io::Result<Self> {
        let mut record = Self {
            file,
            stat: FileStat::default(),
        };
        record.lock(FlockOperation::LockExclusive, wait)?;
        Ok(record)
    }

    fn lock(&mut self, exclusively: FlockOperation, wait: Wait) -> io::Result<()> {
        let operation = match (exclusively, wait) {
            (operation, Wait::Yes) => operation,
            (FlockOperation::LockShared, Wait::No) => FlockOperation::NonBlockingLockShared,
            (_, Wait::No) => FlockOperation::NonBlockingLockExclusive,
        };
        rustix::io::retry_on_intr(|| rustix::fs::flock(&self.file, operation))?;
        self.stat = FileStat::of(&self.file)?;
        Ok(())
    }

    /// Whether it is one that was made a moment ago and is still there.
    pub(super) fn is_new(&self) -> bool {
        self.stat.links > 0 && self.stat.len == 0
    }

    pub(super) fn stat(&self) -> FileStat {
        self.stat
    }

    /// Its slots; `None` where it cannot be one of our files.
    pub(super) fn slots(&self) -> io::Result<Option<Slots>> {
        if !Slots::is_possible(self.stat.len) {
            return Ok(None);
        }
        let len = usize::try_from(self.stat.len).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let at = bytes.len() as u64;
            let spare = rustix::buffer::spare_capacity(&mut bytes);
            match rustix::io::pread(&self.file, spare, at) {
                Ok(0) => return Ok(None), // somebody shortens it; we never do
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(Slots::read(bytes)))
    }

    /// Writes the first bytes of a file that is new.
    pub(super) fn fill(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_at(bytes, 0)
    }

    /// Whether a session of this size is written into one of the slots. A file with a second name is not
    /// written to: that name may be somebody else's.
    pub(super) fn has_room(&self, slots: &Slots, needed: usize) -> bool {
        needed <= slots.size() && self.stat.links == 1
    }

    /// Writes a session into a slot that nobody needs.
    pub(super) fn write(
        &self,
        slots: &mut Slots,
        session: &StoredSession,
        durable: bool,
        sync_path: impl Fn() -> io::Result<()>,
    ) -> io::Result<()> {
        // One at a time may be on its way to the disk: else the one that is there would not be known.
        if slots.free().is_none() || (durable && slots.any_unsure()) {
            self.sync(slots, &sync_path)?;
        }
        let free = slots.free();
        let free = free.ok_or_else(|| io::Error::other("no slot is free"))?;
        let number = slots.next_number();
        let at = (free * slots.size()) as u64;
        self.write_at(&slot::slot(session, number, durable), at)?;
        if !durable {
            return Ok(());
        }
        let synced = self.sync_data().and_then(|()| {
            if slots.any_on_disk() {
                return Ok(());
            }
            sync_path()
        });
        if let Err(error) = synced {
            // Who reads on must not take it for stored: a power cut may take it away again.
            self.write_at(&slot::EMPTY, at)?;
            return Err(error);
        }
        let (at, bytes) = slot::confirmation(free, slots.size(), number);
        self.write_at(&bytes, at)
    }

    /// Brings the file to the disk, with the way to it, and notes that.
    pub(super) fn sync(
        &self,
        slots: &mut Slots,
        sync_path: impl Fn() -> io::Result<()>,
    ) -> io::Result<()> {
        self.file.sync_data()?;
        sync_path()?;
        if let Some((at, bytes)) = slots.confirm() {
            self.write_at(&bytes, at)?;
        }
        Ok(())
    }

    /// Brings what was written to the disk. Its name is another matter.
    pub(super) fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, at)
    }
}

pub(super) fn kept_changing() -> io::Error {
    io::Error::other("a session's file kept being replaced while it was opened")
}
