//! What is removed in bulk: expired records, leftovers of writers that died, everything.

use std::io;
use std::sync::atomic::Ordering;

use super::name::Name;
use super::record::{self, present};
use super::store::{self, SWEEP_LOCK, Store, TEMP_PREFIX};
use crate::cache::directory::Directory;
use crate::cache::leftover;

/// Records that one sweep looks at, for each one it may remove: bounds the work on a disk where
/// nearly everything is live.
const LOOKS_PER_REMOVAL: usize = 16;
const FEWEST_LOOKS: usize = 4096;

impl Store {
    /// Removes up to `limit` expired records, going on where the last sweep ended. Only one process
    /// sweeps at a time; the others are told that nothing was removed.
    pub(super) fn remove_expired(&self, limit: usize) -> io::Result<usize> {
        let lock = self.root.lock_file(SWEEP_LOCK)?;
        if !store::try_lock(&lock)? {
            return Ok(0);
        }
        let mut sweep = Sweep {
            store: self,
            now: self.clock.now(),
            limit,
            looked_at: 0,
            removed: 0,
            failures: Failures::default(),
        };
        sweep.run();
        sweep.failures.warn();
        Ok(sweep.removed)
    }

    /// Removes all records. What cannot be removed stays, and the first reason is returned once
    /// everything else is gone.
    pub(super) fn clear(&self) -> io::Result<()> {
        let mut failures = Failures::default();
        for bucket in store::buckets() {
            failures.note(self.clear_bucket(&bucket));
        }
        failures.first.map_or(Ok(()), Err)
    }

    fn clear_bucket(&self, bucket: &str) -> io::Result<()> {
        let _lock = self.lock(bucket)?;
        let Some(folder) = present(self.root.folder(bucket))? else {
            return Ok(());
        };
        let mut failures = Failures::default();
        let names = store::names(&folder)?;
        for name in &names {
            failures.note(self.clear_key(&folder, name));
        }
        if self.sync_deletes && !names.is_empty() {
            folder.sync()?;
        }
        failures.first.map_or(Ok(()), Err)
    }

    /// Under the lock nobody is writing, so a temporary file of any age is a leftover.
    fn clear_key(&self, bucket: &Directory, name: &Name) -> io::Result<()> {
        let folder = bucket.folder(name.as_str())?;
        for file in folder.names()? {
            if file.starts_with(TEMP_PREFIX) {
                folder.remove_file(&file)?;
            }
        }
        self.remove(name, false)
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
        for _ in store::buckets() {
            let bucket = self.store.next_bucket.load(Ordering::Relaxed);
            let swept = self.bucket(&store::bucket(bucket));
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
        for name in store::names(&folder)? {
            if self.removed >= self.limit {
                break;
            }
            self.looked_at += 1;
            let swept = self.key(&folder, &name);
            self.failures.note(swept);
        }
        Ok(())
    }

    fn key(&mut self, bucket: &Directory, name: &Name) -> io::Result<()> {
        let Some(folder) = present(bucket.folder(name.as_str()))? else {
            return Ok(());
        };
        let files = folder.names()?;
        let leftovers: Vec<_> = files
            .iter()
            .filter(|file| is_leftover(&folder, file, self.now))
            .collect();
        let expired = record::is_expired(&folder, self.now)?;
        if !expired && leftovers.is_empty() && !files.is_empty() {
            return Ok(());
        }
        let _lock = self.store.lock(name.bucket())?;
        for file in leftovers {
            present(folder.remove_file(file))?;
        }
        self.remove(bucket, &folder, name)
    }

    /// Looks again, now under the lock: the session may have been saved meanwhile.
    fn remove(&mut self, bucket: &Directory, folder: &Directory, name: &Name) -> io::Result<()> {
        if record::is_expired(folder, self.now)? {
            folder.remove_file(record::NAME)?;
            self.removed += 1;
        }
        bucket.remove_folder(name.as_str()).map(drop)
    }
}

fn is_leftover(folder: &Directory, file: &str, now: u64) -> bool {
    file.starts_with(TEMP_PREFIX)
        && folder
            .stat(file)
            .is_ok_and(|stat| leftover::is_leftover(&stat, now))
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
