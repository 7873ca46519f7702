//! Removing what is expired, in slices: whoever wants to write meanwhile waits for one of them only.

use std::time::{Duration, Instant};

use super::entries;
use super::expiry;
use super::failure::Failure;
use super::lane::Lane;

/// How long a slice takes before it is committed, which takes about as long again: others wait for
/// some five milliseconds.
const SLICE: Duration = Duration::from_micros(2500);

/// Between two slices, so that other processes come to their turn.
const PAUSE: Duration = Duration::from_millis(1);

/// Entries that are looked at between two looks at the clock.
const STEP: usize = 32;

/// Expired entries share their place in the index with prolonged ones; a sweep looks at no more
/// than so many times what it was asked to remove.
const LOOKS_PER_REMOVAL: usize = 4;

/// A sweep as the one who asked for it sees it.
#[derive(Debug)]
pub(super) struct Sweep {
    limit: usize,
    removed: usize,
    looks_left: usize,
    failure: Option<Failure>,
    is_over: bool,
}

impl Sweep {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            removed: 0,
            looks_left: limit.saturating_mul(LOOKS_PER_REMOVAL),
            failure: None,
            is_over: limit == 0,
        }
    }

    /// How many entries the next slice may remove; none when there is no next.
    pub(super) fn wanted(&self) -> Option<usize> {
        (!self.is_over).then(|| self.limit - self.removed)
    }

    pub(super) fn add(&mut self, slice: Slice) {
        self.removed += slice.removed;
        self.looks_left = self.looks_left.saturating_sub(slice.looked);
        self.failure = self.failure.take().or(slice.failure);
        self.is_over = slice.found_all || self.removed >= self.limit || self.looks_left == 0;
    }

    /// Lets others write before the next slice.
    pub(super) async fn pause(&self) {
        if !self.is_over {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// How many entries went, if nothing was in the way.
    pub(super) fn end(self) -> Result<usize, Failure> {
        self.failure.map_or(Ok(self.removed), Err)
    }
}

/// What the writer sweeps in one go.
#[derive(Debug)]
pub(super) struct Slice {
    wanted: usize,
    deadline: Instant,
    pub(super) removed: usize,
    looked: usize,
    /// Nothing is left to be swept.
    found_all: bool,
    pub(super) failure: Option<Failure>,
}

impl Slice {
    pub(super) fn begin(wanted: usize) -> Self {
        Self {
            wanted,
            deadline: Instant::now() + SLICE,
            removed: 0,
            looked: 0,
            found_all: true,
            failure: None,
        }
    }

    /// Removes expired entries of a shard while there is time.
    pub(super) fn sweep(&mut self, lane: &mut Lane, now: expiry::Instant) -> Result<(), Failure> {
        let swept = self.step_through(lane, now);
        // Also after a failure: no transaction stays open.
        lane.commit().and(swept)
    }

    fn step_through(&mut self, lane: &mut Lane, now: expiry::Instant) -> Result<(), Failure> {
        loop {
            let step = STEP.min(self.wanted - self.removed);
            if step == 0 || Instant::now() >= self.deadline {
                self.found_all = false;
                return Ok(());
            }
            // Durably, as all removals.
            let swept = lane.run(true, |connection| entries::sweep(connection, now, step))?;
            let looked = swept.removed + swept.postponed;
            self.removed += swept.removed;
            self.looked += looked;
            if looked < step {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::expiry::NEVER;
    use super::*;

    /// A shard of entries whose time is over.
    fn expired(path: PathBuf, entries: i64) -> Lane {
        let mut lane = Lane::made_at(path);
        for entry in 0..entries {
            let insert = "INSERT INTO entries (digest, key, value, expires, due) VALUES (?1, ?1, x'', ?1, ?1)";
            let inserted = lane.run(false, |connection| connection.execute(insert, [entry]));
            inserted.unwrap();
        }
        lane.commit().unwrap();
        lane
    }

    fn entries_in(lane: &mut Lane) -> i64 {
        let count = "SELECT count(*) FROM entries";
        lane.run(false, |connection| {
            connection.query_row(count, [], |row| row.get(0))
        })
        .unwrap()
    }

    #[test]
    fn a_slice_ends_when_its_time_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut lane = expired(folder.path().join("shard"), 100);
        let mut slice = Slice::begin(100);
        slice.deadline = Instant::now();
        slice.sweep(&mut lane, NEVER).unwrap();
        assert_eq!((slice.removed, slice.found_all), (0, false));

        let mut sweep = Sweep::new(100);
        sweep.add(slice);
        assert_eq!(sweep.wanted(), Some(100));
        let mut slice = Slice::begin(100);
        slice.deadline += Duration::from_hours(1);
        slice.sweep(&mut lane, NEVER).unwrap();
        sweep.add(slice);
        assert_eq!(sweep.wanted(), None);
        assert_eq!(sweep.end().unwrap(), 100);
        assert_eq!(entries_in(&mut lane), 0);
    }

    #[test]
    fn a_slice_removes_no_more_than_it_was_asked_to() {
        let folder = tempfile::tempdir().unwrap();
        let mut lane = expired(folder.path().join("shard"), 100);
        let mut slice = Slice::begin(40);
        slice.deadline += Duration::from_hours(1);
        slice.sweep(&mut lane, NEVER).unwrap();
        assert_eq!((slice.removed, slice.found_all), (40, false));
        assert_eq!(entries_in(&mut lane), 60);
    }
}
