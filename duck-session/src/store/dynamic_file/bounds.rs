use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::statvfs;

use super::failure::Failure;

/// How often the sessions are counted again while the store is full.
const COUNT_AGAIN: Duration = Duration::from_secs(10);

/// Two shards with two files beside each, and as many for others.
const COPY_FILES: u64 = 12;

/// How many sessions there may be, and how much room the disk has to keep for others.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) max_sessions: u64,
    pub(super) min_free: u8,
    count: Option<Count>,
}

/// How many sessions there are, as far as this process knows: it counts its own changes, and all from time
/// to time.
#[derive(Debug)]
struct Count {
    sessions: u64,
    at: Instant,
    created: u64,
}

impl Bounds {
    pub(super) fn new(max_sessions: u64, min_free: u8) -> Self {
        Self {
            max_sessions,
            min_free,
            count: None,
        }
    }

    /// How many more sessions there may be; `count` counts them all.
    pub(super) fn free_sessions(
        &mut self,
        count: impl FnOnce() -> Result<u64, Failure>,
    ) -> Result<u64, Failure> {
        let max = self.max_sessions;
        let is_good = |known: &Count| {
            // Other processes create about as many as this one.
            let is_full = known.sessions >= max && known.at.elapsed() >= COUNT_AGAIN;
            !is_full && known.created <= max / 100
        };
        let known = match self.count.take().filter(is_good) {
            Some(known) => known,
            None => Count {
                sessions: count()?,
                at: Instant::now(),
                created: 0,
            },
        };
        let free = max.saturating_sub(known.sessions);
        self.count = Some(known);
        Ok(free)
    }

    /// Has the sessions counted again when it matters.
    pub(super) fn forget(&mut self) {
        self.count = None;
    }

    pub(super) fn created(&mut self, sessions: usize) {
        if let Some(count) = &mut self.count {
            count.sessions += sessions as u64;
            count.created += sessions as u64;
        }
    }

    pub(super) fn removed(&mut self, sessions: usize) {
        if let Some(count) = &mut self.count {
            count.sessions = count.sessions.saturating_sub(sessions as u64);
        }
    }

    /// Whether the disk has less room than it should keep: too few bytes, or too few inodes.
    pub(super) fn is_disk_low(&self, folder: &Path) -> bool {
        // Without an answer the disk itself says when it is full.
        self.min_free > 0
            && statvfs(folder).is_ok_and(|disk| {
                // Some file systems have no fixed number of inodes, and say 0.
                self.is_below(disk.f_bavail, disk.f_blocks)
                    || (disk.f_files > 0 && self.is_below(disk.f_favail, disk.f_files))
            })
    }

    /// Whether the disk has room for a copy of so many bytes, and for the logs beside it.
    pub(super) fn has_room_for_copy(&self, folder: &Path, bytes: u64) -> bool {
        !self.is_disk_low(folder)
            && statvfs(folder).is_ok_and(|disk| {
                let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                free / 2 >= bytes && (disk.f_files == 0 || disk.f_favail >= COPY_FILES)
            })
    }

    fn is_below(&self, free: u64, all: u64) -> bool {
        u128::from(free) * 100 < u128::from(all) * u128::from(self.min_free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_counted_anew_after_each_hundredth_of_the_bound() {
        let mut bounds = Bounds::new(1000, 5);
        assert_eq!(bounds.free_sessions(|| Ok(100)).unwrap(), 900);
        let unasked = || panic!("counted again");
        bounds.created(10);
        bounds.removed(4);
        assert_eq!(bounds.free_sessions(unasked).unwrap(), 894);
        bounds.created(1);
        assert_eq!(bounds.free_sessions(|| Ok(500)).unwrap(), 500);
    }

    #[test]
    fn a_failed_count_is_tried_again() {
        let mut bounds = Bounds::new(10, 5);
        assert!(bounds.free_sessions(|| Err(Failure::new("no"))).is_err());
        assert_eq!(bounds.free_sessions(|| Ok(7)).unwrap(), 3);
    }

    #[test]
    fn five_percent_are_five_percent() {
        let bounds = Bounds::new(10, 5);
        assert!(bounds.is_below(49, 1000));
        assert!(!bounds.is_below(50, 1000));
        assert!(bounds.is_below(u64::MAX / 21, u64::MAX));
    }
}
