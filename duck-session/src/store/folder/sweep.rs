//! What is removed in bulk: expired sessions, leftovers of writers that died, everything.

use std::fs::TryLockError;
use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::name::{self, Name};
use super::record::{BESIDE, Found, NAME, Record, Wait};
use super::store::{SWEEP_LOCK, Store};
use crate::store::UserKey;
use crate::store::directory::{Directory, present};

/// Records that one sweep looks at, for each one it may remove: bounds the work on a disk where nearly
/// everything is live.
const LOOKS_PER_REMOVAL: usize = 16;
const FEWEST_LOOKS: usize = 4096;

/// Users whose entries one sweep looks at.
const USERS: usize = 256;

/// A writer needs its file for milliseconds. One so old was left by a writer that died.
const LEFTOVER: Duration = Duration::from_hours(1);

impl Store {
    /// Removes up to `limit` sessions that expired before `now`, going on where the last sweep ended. Only one
    /// process sweeps at a time; the others are told that nothing was removed.
    pub(super) fn remove_expired(&self, now: u64, limit: usize) -> io::Result<usize> {
        let lock = self.root.lock_file(SWEEP_LOCK)?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(0),
            locked => locked?,
        }
        let mut sweep = Sweep {
            store: self,
            now,
            limit,
            looked_at: 0,
            removed: 0,
            failures: Failures::default(),
        };
        sweep.run();
        sweep.users(USERS);
        sweep.failures.warn();
        // Closing the file is not enough: a child that is just being started has it open too, until it runs.
        lock.unlock()?;
        Ok(sweep.removed)
    }

    /// Removes all sessions. What cannot be removed stays, and the first reason is returned once everything
    /// else is gone.
    pub(super) fn clear(&self) -> io::Result<()> {
        let mut failures = Failures::default();
        for bucket in name::buckets() {
            failures.note(self.clear_bucket(&bucket));
        }
        failures.first.map_or(Ok(()), Err)
    }

    fn clear_bucket(&self, bucket: &str) -> io::Result<()> {
        let mut failures = Failures::default();
        let Some(folder) = present(self.root.folder(bucket))? else {
            return Ok(());
        };
        let names = name::names(&folder, bucket)?;
        for name in &names {
            failures.note(self.remove(name.key(), None, false).map(drop));
        }
        if !names.is_empty() {
            folder.sync()?;
        }
        failures.first.map_or(Ok(()), Err)
    }
}

struct Sweep<'a> {
    store: &'a Store,
    now: u64,
    limit: usize,
    looked_at: usize,
    removed: usize,
    failures: Failures,
}

impl Sweep<'_> {
    /// One folder that cannot be swept keeps no other from being swept.
    fn run(&mut self) {
        let most_looks = self.limit.saturating_mul(LOOKS_PER_REMOVAL);
        for _ in name::buckets() {
            let bucket = self.store.next_bucket.load(Ordering::Relaxed);
            let swept = self.bucket(&name::bucket(bucket));
            self.failures.note(swept);
            if self.removed >= self.limit {
                return;
            }
            let next = bucket.wrapping_add(1);
            self.store.next_bucket.store(next, Ordering::Relaxed);
            if self.looked_at >= most_looks.max(FEWEST_LOOKS) {
                return;
            }
        }
    }

    fn bucket(&mut self, bucket: &str) -> io::Result<()> {
        let Some(folder) = present(self.store.root.folder(bucket))? else {
            return Ok(());
        };
        let names = name::names(&folder, bucket)?;
        if let Some(name) = names.first() {
            self.store.room.note_counted(name.key(), names.len());
        }
        for name in &names {
            if self.removed >= self.limit {
                break;
            }
            self.looked_at += 1;
            let swept = self.session(&folder, name);
            self.failures.note(swept);
        }
        Ok(())
    }

    fn session(&mut self, bucket: &Directory, name: &Name) -> io::Result<()> {
        match self.store.find(name, Wait::Yes)? {
            Found::Session(session, _) if session.expires() < self.now => {
                // Only this version: it may have been saved meanwhile.
                let version = Some(session.version());
                let removed = self.store.remove(name.key(), version, false)?;
                self.removed += usize::from(removed);
                Ok(())
            }
            Found::Session(session, _) => {
                if let Some(user) = session.user() {
                    self.enter(user, name)?;
                }
                if is_old(bucket, &name.in_bucket(BESIDE))
                    && let Some(folder) = present(bucket.folder(name.as_str()))?
                {
                    remove_beside(&folder)?;
                }
                Ok(())
            }
            Found::Garbage | Found::Nothing => remove_leftovers(bucket, name),
        }
    }

    /// A power cut may take the entry of a session that did not wait for the disk, and leave the session.
    fn enter(&self, user: &UserKey, name: &Name) -> io::Result<()> {
        let (users, key) = (&self.store.users, name.key());
        if users.has(user, key)? {
            return Ok(());
        }
        users.add(user, key, false, Wait::Yes)
    }

    /// Removes entries of users whose sessions are gone, going on where the last sweep ended.
    fn users(&mut self, limit: usize) {
        let next = &self.store.next_users;
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = &mut self.failures;
        let mut users = match next
            .take()
            .map_or_else(|| self.store.users.folder.stream(), Ok)
        {
            Ok(users) => users,
            Err(error) => return failures.note(Err(error)),
        };
        for _ in 0..limit {
            match users.next() {
                None => return,
                Some(Err(error)) => return failures.note(Err(error.into())),
                Some(Ok(user)) => {
                    if let Ok(user) = user.file_name().to_str()
                        && UserKey::from_hex(user).is_some()
                    {
                        let keys = self.store.users.keys(user);
                        failures.note(keys.and_then(|keys| self.store.prune(user, &keys)));
                    }
                }
            }
        }
        *next = Some(users);
    }
}

/// Removes what a writer that died has left, but nothing that a writer may still need. An empty folder may
/// always go: whoever wants to use it makes it again.
fn remove_leftovers(bucket: &Directory, name: &Name) -> io::Result<()> {
    let Some(folder) = present(bucket.folder(name.as_str()))? else {
        return Ok(());
    };
    if is_old(&folder, NAME)
        && let Some(record) = Record::open_locked(&folder, NAME, Wait::Yes)?
        && record.stat().len == 0
    {
        folder.remove_file(NAME)?;
    }
    remove_beside(&folder)?;
    bucket.remove_folder(name.as_str()).map(drop)
}

/// Removes the larger file that a writer did not finish. Whoever makes one has the lock of the record.
fn remove_beside(folder: &Directory) -> io::Result<()> {
    if !is_old(folder, BESIDE) {
        return Ok(());
    }
    let _record = Record::open_locked(folder, NAME, Wait::Yes)?;
    if is_old(folder, BESIDE) {
        present(folder.remove_file(BESIDE))?;
    }
    Ok(())
}

fn is_old(folder: &Directory, path: &str) -> bool {
    matches!(folder.is_older(path, LEFTOVER), Ok(true))
}

#[derive(Default)]
struct Failures {
    first: Option<io::Error>,
    count: usize,
}

impl Failures {
    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.count += 1;
            self.first.get_or_insert(error);
        }
    }

    fn warn(&self) {
        if let Some(error) = &self.first {
            let failures = self.count;
            tracing::warn!(target: "duck_session", failures, %error, "not all session files could be swept");
        }
    }
}
