//! What is done with all shards: sweeping, clearing, writing logs back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::draft;
use super::failure::Failure;
use super::lock::FolderLock;
use super::place::Place;
use super::rows::{self, Fate, Pages};
use super::shard::Shard;
use super::transaction::{Aborted, ShardWriter};
use super::writer::Writer;
use crate::store::Durability;

/// How long a slice of a sweep takes before it is committed, which takes about as long again: others wait
/// for some five milliseconds.
const SLICE: Duration = Duration::from_micros(2500);

/// Sessions that are looked at between two looks at the clock.
const STEP: usize = 32;

/// What was swept in one go.
#[derive(Debug, Default)]
pub(super) struct Slice {
    pub(super) removed: usize,
    pub(super) looked: usize,
    /// Where the next slice begins; `None` after the last.
    pub(super) next: Option<Place>,
}

impl Writer {
    /// Removes expired sessions of a shard until the slice is over. A shard that cannot be swept keeps no other
    /// from being swept.
    pub(super) fn sweep(&mut self, from: Place, now: u64, most: usize) -> Slice {
        if from == Place(0) {
            // It may have been used up since.
            self.reserve.keep();
        }
        let shards = self.folder.shards();
        let Some(shard) = shards.from(from) else {
            return Slice::default();
        };
        let after = shard.prefix().after();
        let swept = self.sweep_shard(shard, now, most);
        let failure = match swept {
            Ok((slice, None)) => {
                return Slice {
                    next: Some(from),
                    ..slice
                };
            }
            Ok((slice, Some(pages))) => {
                self.shrink_if_sparse(shard, pages);
                return Slice {
                    next: after,
                    ..slice
                };
            }
            Err(Aborted::Replaced) => self.list_again(shard).err(),
            Err(Aborted::Failed(failure)) => Some(failure),
        };
        let next = match failure {
            None => Some(from),
            Some(failure) => {
                shard.warn(&failure);
                after
            }
        };
        Slice {
            next,
            ..Slice::default()
        }
    }

    /// Gives the pages of the shard once nothing in it is left to be looked at.
    fn sweep_shard(
        &mut self,
        shard: &Arc<Shard>,
        now: u64,
        most: usize,
    ) -> Result<(Slice, Option<Pages>), Aborted> {
        let swept = self.transaction(shard, Durability::Crash, |connection| {
            let (mut slice, deadline) = (Slice::default(), Instant::now() + SLICE);
            loop {
                let step = STEP.min(most - slice.removed);
                if step == 0 || Instant::now() >= deadline {
                    return Ok((slice, None));
                }
                let failed = || Failure::at(shard.path(), "written");
                let swept = rows::sweep(connection, now, step).map_err(failed())?;
                slice.removed += swept.removed;
                slice.looked += swept.removed + swept.postponed;
                if swept.removed + swept.postponed < step {
                    let pages = rows::pages(connection).map_err(failed())?;
                    return Ok((slice, Some(pages)));
                }
            }
        })?;
        self.count.removed(swept.0.removed);
        Ok(swept)
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
                _ => draft::remove(shard.path())?,
            }
        }
        self.folder.sync()?;
        self.folder.make_shard(Place(0), &lock)?;
        self.forget_replaced();
        self.count.forget();
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
