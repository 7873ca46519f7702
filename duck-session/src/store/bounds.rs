//! What both file storages are bounded by, and what gives way first.

use rustix::fs::StatVfs;

use super::StoredSession;

/// How many sessions there may be, and how much of the disk is left to others.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    pub(super) max_sessions: u64,
    /// In percent of the bytes and of the inodes; 0 is no bound.
    pub(super) min_free: u8,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_sessions: 1_000_000,
            min_free: 5,
        }
    }
}

impl Bounds {
    pub(super) const NONE: Self = Self {
        max_sessions: u64::MAX,
        min_free: 0,
    };

    /// Whether a disk has less room than it should keep: too few bytes, or too few inodes.
    pub(super) fn is_low(&self, disk: &StatVfs) -> bool {
        // Some file systems have no fixed number of inodes, and say 0.
        self.is_below(disk.f_bavail, disk.f_blocks) || self.is_below(disk.f_favail, disk.f_files)
    }

    /// The same of the disk with this folder. Without an answer the disk itself says when it is full.
    #[cfg(feature = "dynamic-file")]
    pub(super) fn is_disk_low(&self, folder: &std::path::Path) -> bool {
        self.min_free > 0 && rustix::fs::statvfs(folder).is_ok_and(|disk| self.is_low(&disk))
    }

    fn is_below(&self, free: u64, all: u64) -> bool {
        u128::from(free) * 100 < u128::from(all) * u128::from(self.min_free)
    }
}

/// Which sessions are given up first when there is no more room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// Nobody is logged in, and it was never written again: its cookie may never have come back.
    Unconfirmed,
    /// Nobody is logged in.
    Anonymous,
    /// Never given up.
    User,
}

impl Rank {
    #[cfg(feature = "dynamic-file")]
    pub(super) const ALL: [Self; 3] = [Self::Unconfirmed, Self::Anonymous, Self::User];

    pub(super) fn of(session: &StoredSession) -> Self {
        match (session.user(), session.version().count) {
            (Some(_), _) => Self::User,
            (None, 0) => Self::Unconfirmed,
            (None, _) => Self::Anonymous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_percent_are_five_percent() {
        let bounds = Bounds::default();
        assert!(bounds.is_below(49, 1000));
        assert!(!bounds.is_below(50, 1000));
        assert!(bounds.is_below(u64::MAX / 21, u64::MAX));
        assert!(!bounds.is_below(0, 0), "where inodes are not counted");
        assert!(!Bounds::NONE.is_below(0, 1000));
    }
}
