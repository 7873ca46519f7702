//! Files that a writer which died has left behind.

use std::time::Duration;

use rustix::fs::Stat;

/// A writer needs its file for milliseconds. One so old was left by a writer that died.
const AGE: Duration = Duration::from_hours(1);

/// Whether nobody can be writing this any more; `now` is milliseconds since 1970.
pub(crate) fn is_leftover(stat: &Stat, now: u64) -> bool {
    let written = u64::try_from(stat.st_mtime).unwrap_or_default();
    now / 1000 >= written.saturating_add(AGE.as_secs())
}
