//! The work of [`KeyAsFolderCache`](super::KeyAsFolderCache) on the disk, all of it blocking.
//!
//! Whoever writes a session holds the lock of its file, in this process and in others. Readers take none.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicU8;

use rustix::fs::Dir;

use super::name::{Name, buckets};
use super::record::{self, BESIDE, Found, NAME, Record, TRIES, Wait, kept_changing};
use super::room::Room;
use super::slot;
use super::users::Users;
use crate::log::{Log, limited};
use crate::store::directory::{Directory, present};
use crate::store::{SessionKey, StoredSession, Version};

pub(super) const SWEEP_LOCK: &str = "sweep.lock";
pub(super) const BY_USER: &str = "by-user";

/// What became of a session that was to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Created {
    Yes,
    /// There is one under its key.
    Taken,
    /// There is no room for it.
    Full,
}

#[derive(Debug)]
pub(super) struct Store {
    pub(super) root: Directory,
    pub(super) users: Users,
    pub(super) room: Room,
    /// The bucket where the next sweep goes on.
    pub(super) next_bucket: AtomicU8,
    /// The users whose entries the next sweep looks at.
    pub(super) next_users: Mutex<Option<Dir>>,
    log: Log,
}

impl Store {
    /// Opens the folder `format` in `path` with all its buckets. They are made here, so that a full disk keeps
    /// nobody from logging out.
    pub(super) fn open(path: &Path, format: &str) -> io::Result<Self> {
        let outer = Directory::open(path)?;
        let root = outer.open_inner(path, format)?;
        let users = root.open_inner(&path.join(format), BY_USER)?;
        let is_new = make_buckets(&root).map_err(|error| {
            let text = format!(
                "the session directory {} cannot be used: {error}",
                path.display()
            );
            io::Error::new(error.kind(), text)
        })?;
        can_lock(path, &root.lock_file(SWEEP_LOCK)?)?;
        if is_new {
            // What is durable is worth nothing in a bucket that is not.
            root.sync()?;
            outer.sync()?;
        }
        Ok(Self {
            room: Room::counted(&root)?,
            root,
            users: Users { folder: users },
            next_bucket: AtomicU8::new(0),
            next_users: Mutex::default(),
            log: Log::default(),
        })
    }

    pub(super) fn load(&self, key: &SessionKey, wait: Wait) -> io::Result<Option<StoredSession>> {
        match self.find(&Name::of(key), wait)? {
            Found::Nothing => Ok(None),
            Found::Session(session, _) => Ok(Some(session)),
            Found::Garbage => {
                limited!(self.log, warn, "a session file holds no readable record");
                Ok(None)
            }
        }
    }

    pub(super) fn find(&self, name: &Name, wait: Wait) -> io::Result<Found> {
        record::find(&self.root, name.key(), &name.path(NAME), wait)
    }

    pub(super) fn create(
        &self,
        session: &StoredSession,
        durable: bool,
        wait: Wait,
    ) -> io::Result<Created> {
        let name = Name::of(session.key());
        let bucket = self.bucket(&name)?;
        if self.room.is_short(&self.root, &bucket, &name)? {
            if wait == Wait::No {
                return Err(ErrorKind::WouldBlock.into());
            }
            if !self.make_room()? && session.user().is_none() {
                return Ok(Created::Full);
            }
        }
        if let Some(user) = session.user() {
            self.users.add(user, session.key(), durable, wait)?;
        }
        let created = self.create_in(&bucket, &name, session, durable, wait);
        match &created {
            Ok(Created::Yes) => self.room.note_created(&name, session),
            Ok(_) => {}
            // What stays is removed by the sweep.
            Err(_) => drop(bucket.remove_folder(name.as_str())),
        }
        created
    }

    fn make_room(&self) -> io::Result<bool> {
        let remove = |key: &_, version| self.remove(key, Some(version), false);
        self.room.make(&self.root, remove)
    }

    fn create_in(
        &self,
        bucket: &Directory,
        name: &Name,
        session: &StoredSession,
        durable: bool,
        wait: Wait,
    ) -> io::Result<Created> {
        let bytes = slot::file(session, durable)?;
        let path = name.in_bucket(NAME);
        for _ in 0..TRIES {
            bucket.make_folder(name.as_str())?;
            match bucket.new_file(&path) {
                Ok(file) => {
                    let record = Record::locked(file, wait)?;
                    // Otherwise somebody found it empty before it was locked.
                    if record.is_new() {
                        return self.fill(&record, bucket, name, &bytes, durable);
                    }
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    let Some(record) = Record::open_locked(bucket, &path, wait)? else {
                        continue;
                    };
                    if record
                        .slots()?
                        .is_some_and(|slots| slots.version().is_some())
                    {
                        return Ok(Created::Taken);
                    }
                    self.put_in_place(name, &bytes, durable, wait)?;
                    return Ok(Created::Yes);
                }
                // The folder was empty and has been removed.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Err(kept_changing())
    }

    fn fill(
        &self,
        record: &Record,
        bucket: &Directory,
        name: &Name,
        bytes: &[u8],
        durable: bool,
    ) -> io::Result<Created> {
        let mut filled = record.fill(bytes);
        if filled.is_ok() && durable {
            let slots = &mut slot::Slots::read(bytes.to_vec());
            filled = record.sync(slots, || self.sync_path(name));
        }
        if let Err(error) = filled {
            bucket.folder(name.as_str())?.remove_file(NAME)?;
            return Err(error);
        }
        Ok(Created::Yes)
    }

    pub(super) fn replace(
        &self,
        expected: Version,
        session: &StoredSession,
        durable: bool,
        wait: Wait,
    ) -> io::Result<bool> {
        let name = Name::of(session.key());
        let Some(record) = Record::open_locked(&self.root, &name.path(NAME), wait)? else {
            return Ok(false);
        };
        let Some(mut slots) = record.slots()? else {
            return Ok(false);
        };
        if slots.version() != Some(expected) {
            return Ok(false);
        }
        if let Some(user) = session.user()
            && slots.user() != Some(*user)
        {
            self.users.add(user, session.key(), durable, wait)?;
        }
        if record.has_room(&slots, slot::needed(session)?) {
            record.write(&mut slots, session, durable, || self.sync_path(&name))?;
        } else {
            // Else the newest of the old file that outlives a power cut would be the last that does.
            let durable = durable || slots.any_durable();
            let bytes = slot::file(session, durable)?;
            self.put_in_place(&name, &bytes, durable, wait)?;
        }
        Ok(true)
    }

    /// Writes a whole file and puts it in the place of the one that is there, which is locked: so nobody else
    /// makes one. The disk has the file before it has its name, or a power cut would take the session.
    fn put_in_place(&self, name: &Name, bytes: &[u8], durable: bool, wait: Wait) -> io::Result<()> {
        if wait == Wait::No {
            return Err(ErrorKind::WouldBlock.into());
        }
        let folder = self.root.folder(&name.folder())?;
        // Left by a writer that died.
        present(folder.remove_file(BESIDE))?;
        let written = folder.new_file(BESIDE).and_then(|file| {
            let record = Record::locked(file, wait)?;
            record.fill(bytes)?;
            record.sync_data()?;
            folder.replace(BESIDE, NAME)?;
            Ok(record)
        });
        let record = match written {
            Ok(record) => record,
            Err(error) => {
                let _ = folder.remove_file(BESIDE);
                return Err(error);
            }
        };
        if durable {
            let slots = &mut slot::Slots::read(bytes.to_vec());
            record.sync(slots, || self.sync_path(name))?;
        }
        Ok(())
    }

    pub(super) fn remove(
        &self,
        key: &SessionKey,
        expected: Option<Version>,
        durable: bool,
    ) -> io::Result<bool> {
        let name = Name::of(key);
        let Some(bucket) = present(self.root.folder(name.bucket()))? else {
            return Ok(false);
        };
        let Some(folder) = present(bucket.folder(name.as_str()))? else {
            return Ok(false);
        };
        let Some(record) = Record::open_locked(&folder, NAME, Wait::Yes)? else {
            bucket.remove_folder(name.as_str())?;
            return Ok(false);
        };
        let slots = record.slots()?;
        let version = slots.as_ref().and_then(slot::Slots::version);
        if expected.is_some() && version != expected {
            return Ok(false);
        }
        // While this record is locked: as soon as its name is free, one beside it is another writer's.
        present(folder.remove_file(BESIDE))?;
        folder.remove_file(NAME)?;
        let folder_gone = bucket.remove_folder(name.as_str())?;
        if durable {
            if folder_gone {
                bucket.sync()
            } else {
                folder.sync()
            }?;
        }
        self.room.note_removed(&name);
        if let Some(user) = slots.and_then(|slots| slots.user()) {
            self.prune(&user.to_hex(), &[*key])?;
        }
        Ok(version.is_some())
    }

    /// Removes entries of a user whose sessions are gone.
    pub(super) fn prune(&self, user: &str, keys: &[SessionKey]) -> io::Result<()> {
        self.users.prune(user, keys, |key| {
            let path = Name::of(key).path(NAME);
            Ok(present(self.root.record(&path))?.is_none())
        })
    }

    /// The sessions of a user, `limit` at most.
    pub(super) fn of_user(&self, user: &str, limit: usize) -> io::Result<Vec<StoredSession>> {
        let (mut sessions, mut gone) = (Vec::new(), Vec::new());
        for key in self.users.keys(user)? {
            if sessions.len() >= limit {
                break;
            }
            match self.find(&Name::of(&key), Wait::Yes)? {
                Found::Session(session, _)
                    if session.user().is_some_and(|it| it.to_hex() == user) =>
                {
                    sessions.push(session);
                }
                Found::Nothing => gone.push(key),
                _ => {}
            }
        }
        if !gone.is_empty() {
            self.prune(user, &gone)?;
        }
        Ok(sessions)
    }

    /// Buckets stay, but an administrator may have removed one by hand.
    fn bucket(&self, name: &Name) -> io::Result<Directory> {
        if let Some(bucket) = present(self.root.folder(name.bucket()))? {
            return Ok(bucket);
        }
        self.root.make_folder(name.bucket())?;
        self.root.folder(name.bucket())
    }

    /// Brings the names that lead to a session's file to the disk.
    fn sync_path(&self, name: &Name) -> io::Result<()> {
        self.root.folder(&name.folder())?.sync()?;
        self.root.folder(name.bucket())?.sync()
    }
}

/// Makes all buckets and returns whether there were any to be made.
fn make_buckets(root: &Directory) -> io::Result<bool> {
    let mut is_new = false;
    for bucket in buckets() {
        is_new |= root.make_folder(&bucket)?;
    }
    Ok(is_new)
}

/// Some network file systems have no locks; sessions would be lost there without a word.
fn can_lock(path: &Path, file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => file.unlock(),
        Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(error)) => {
            let path = path.display();
            let text =
                format!("the file system of {path} has no locks ({error}): choose another one");
            Err(io::Error::new(error.kind(), text))
        }
    }
}
