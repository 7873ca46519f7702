//! What is done with all shards: sweeping, clearing, writing logs back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::lock::FolderLock;
use super::place::Place;
use super::request::Slice;
use super::rows::{self, Fate};
use super::shard::{self, Shard};
use super::transaction::{Aborted, ShardWriter};
use super::writer::Writer;
use crate::store::Durability;

/// How long a slice of a sweep takes before it is committed, which takes about as long again: others wait
/// for some five milliseconds.
const SLICE: Duration = Duration::from_micros(2500);

/// Sessions that are looked at between two looks at the clock.
const STEP: usize = 32;

impl Writer {
    /// Removes expired sessions of a shard until the slice is over.
    pub(super) fn sweep(&mut self, from: Place, now: u64, most: usize) -> Result<Slice, Failure> {
        let mut slice = Slice {
            removed: 0,
            looked: 0,
            next: None,
            failure: None,
        };
        let shards = self.folder.shards();
        let Some(shard) = shards.from(from) else {
            return Ok(slice);
        };
        let deadline = Instant::now() + SLICE;
        slice.next = shard.prefix().after();
        let swept = self.transaction(shard, Durability::Crash, |connection| {
            loop {
                let step = STEP.min(most - slice.removed);
                if step == 0 || Instant::now() >= deadline {
                    slice.next = Some(from);
                    return Ok(());
                }
                let swept = rows::sweep(connection, now, step);
                let swept = swept.map_err(Failure::at(shard.path(), "written"))?;
                slice.removed += swept.removed;
                slice.looked += swept.removed + swept.postponed;
                if swept.removed + swept.postponed < step {
                    return Ok(());
                }
            }
        });
        if swept.is_err() {
            (slice.removed, slice.looked) = (0, 0);
        }
        match swept {
            Ok(()) => self.bounds.removed(slice.removed),
            Err(Aborted::Failed(failure)) => slice.failure = Some(failure),
            Err(Aborted::Replaced) => {
                self.folder.replaced(shard)?;
                self.forget_replaced();
                slice.next = Some(from);
            }
        }
        Ok(slice)
    }

    /// Empties every shard for good and removes it, a damaged one too, and begins with a new one.
    pub(super) fn clear(&mut self) -> Result<(), Failure> {
        let lock = FolderLock::acquire(self.folder.path())?;
        self.folder.remove_drafts(|_| true, &lock)?;
        for shard in self.folder.list()?.all() {
            let ended = self.transaction(shard, Durability::PowerCut, |connection| {
                let ended = rows::end(connection, Fate::Cleared);
                Ok(ended.map_err(Failure::at(shard.path(), "written"))?)
            });
            match ended {
                Err(Aborted::Failed(failure)) if !failure.is_corruption() => return Err(failure),
                _ => shard::remove(shard.path())?,
            }
        }
        self.folder.sync()?;
        self.folder.make_shard(Place(0), &lock)?;
        self.forget_replaced();
        self.bounds.forget();
        Ok(())
    }

    /// Copies the logs into the shards that this process wrote to, whatever happens with one of them; gives the first failure.
    pub(super) fn checkpoint(&mut self) -> Result<(), Failure> {
        let checkpoint =
            |(shard, writer): &(Arc<Shard>, ShardWriter)| match writer.checkpoint(shard) {
                Err(_) if !shard.is_current() => Ok(()),
                done => done,
            };
        let results: Vec<_> = self.writers.iter().map(checkpoint).collect();
        results.into_iter().collect()
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.checkpoint()?;
        self.reserve.keep();
        Ok(())
    }
}
