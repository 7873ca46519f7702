//! Bounds of what is stored, and what gives way when one is reached.
//!
//! How many sessions there are is known by the links of the 256 buckets, which most file systems count
//! anyway: that of the session's own bucket is read at each `create`, so other processes' sessions are seen as
//! the buckets come up. Where a file system does not count them (btrfs), names are counted when the store is
//! opened and at each sweep, and what this process does in between.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::name::{self, Name};
use super::record::{self, Found, NAME, Wait};
use crate::store::bounds::{Bounds, Rank};
use crate::store::directory::{Directory, present};
use crate::store::{SessionKey, StoredSession, Version};

/// How many sessions one `create` removes at most: after a bound was lowered the store shrinks little by little.
const MOST_REMOVED: u64 = 16;

/// How many records a search looks at; the bucket that is begun is finished.
const LOOKS: usize = 8192;

/// How many candidates of a kind are remembered.
const REMEMBERED: usize = 1024;

/// A search that took no longer than this, or found so many candidates, may be repeated at once. After any other
/// one we wait ten times as long as it took.
const CHEAP: Duration = Duration::from_millis(2);
const WORTHWHILE: usize = 64;

#[derive(Debug)]
pub(super) struct Room {
    pub(super) bounds: Bounds,
    counts: [AtomicUsize; 256],
    candidates: Mutex<Candidates>,
}

impl Room {
    /// Counts what is stored.
    pub(super) fn counted(root: &Directory) -> io::Result<Self> {
        let counted = Self {
            bounds: Bounds::default(),
            counts: [const { AtomicUsize::new(0) }; 256],
            candidates: Mutex::default(),
        };
        for (number, count) in name::buckets().zip(&counted.counts) {
            let folder = root.folder(&number)?;
            let stored = match folder.folders()? {
                Some(folders) => usize::try_from(folders).unwrap_or(usize::MAX),
                None => folder.names()?.len(),
            };
            count.store(stored, Ordering::Relaxed);
        }
        Ok(counted)
    }

    /// Whether a bound is reached.
    pub(super) fn is_short(
        &self,
        root: &Directory,
        bucket: &Directory,
        name: &Name,
    ) -> io::Result<bool> {
        let Bounds {
            max_sessions,
            min_free,
        } = self.bounds;
        if max_sessions < u64::MAX {
            if let Some(folders) = bucket.folders()? {
                let folders = usize::try_from(folders).unwrap_or(usize::MAX);
                self.note_counted(name.key(), folders);
            }
            if self.stored() >= max_sessions {
                return Ok(true);
            }
        }
        Ok(min_free > 0 && self.bounds.is_low(&root.disk()?))
    }

    /// How many sessions there are.
    fn stored(&self) -> u64 {
        let counts = self.counts.iter();
        counts
            .map(|count| count.load(Ordering::Relaxed) as u64)
            .sum()
    }

    /// A bucket with this key in it was counted.
    pub(super) fn note_counted(&self, key: &SessionKey, stored: usize) {
        self.count(key).store(stored, Ordering::Relaxed);
    }

    /// A session without a user gives way when it is its turn.
    pub(super) fn note_created(&self, name: &Name, session: &StoredSession) {
        self.count(name.key()).fetch_add(1, Ordering::Relaxed);
        if session.user().is_none() {
            // Nobody waits here for a search: what is not noted is found by the next one.
            if let Ok(mut candidates) = self.candidates.try_lock()
                && candidates.made.len() < REMEMBERED
            {
                let candidate = (*session.key(), session.version());
                candidates.made.push_back(candidate);
            }
        }
    }

    pub(super) fn note_removed(&self, name: &Name) {
        let count = self.count(name.key());
        let less = |count: usize| count.checked_sub(1);
        let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Removes sessions until there is room for one, and returns whether any went.
    pub(super) fn make(
        &self,
        root: &Directory,
        remove: impl Fn(&SessionKey, Version) -> io::Result<bool>,
    ) -> io::Result<bool> {
        let excess = (self.stored() + 1).saturating_sub(self.bounds.max_sessions);
        let wanted = excess.clamp(1, MOST_REMOVED);
        let mut removed = 0;
        while removed < wanted {
            let Some((key, version)) = self.lock().next(root)? else {
                break;
            };
            // Otherwise it was written or removed meanwhile.
            removed += u64::from(remove(&key, version)?);
        }
        Ok(removed > 0)
    }

    fn count(&self, key: &SessionKey) -> &AtomicUsize {
        &self.counts[usize::from(key.as_bytes()[0])]
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Candidates> {
        self.candidates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

type Candidate = (SessionKey, Version);

/// Sessions without a user, the oldest of each kind first.
#[derive(Default)]
struct Candidates {
    /// Those found whose cookie never came back.
    never_back: VecDeque<Candidate>,
    /// Those that this process made.
    made: VecDeque<Candidate>,
    /// The others.
    back: VecDeque<Candidate>,
    next_bucket: u8,
    /// Not before then; `None` is at once.
    next_search: Option<Instant>,
}

impl Candidates {
    fn next(&mut self, root: &Directory) -> io::Result<Option<Candidate>> {
        let may_search = self.next_search.is_none_or(|next| Instant::now() >= next);
        if self.never_back.is_empty() && may_search {
            self.search(root)?;
        }
        let next = self.never_back.pop_front();
        let next = next.or_else(|| self.made.pop_front());
        Ok(next.or_else(|| self.back.pop_front()))
    }

    /// Looks for candidates in some buckets, which stand for all of them since keys are random.
    fn search(&mut self, root: &Directory) -> io::Result<()> {
        let started = Instant::now();
        let (mut found, mut looks) = (Vec::new(), 0);
        for _ in 0..=u8::MAX {
            let bucket = name::bucket(self.next_bucket);
            looks += look(root, &bucket, &mut found)?;
            self.next_bucket = self.next_bucket.wrapping_add(1);
            if looks >= LOOKS {
                break;
            }
        }
        found.sort_unstable_by_key(|(modified, ..)| *modified);
        let of_rank = |rank| {
            let oldest = found.iter().filter(|(_, it, _)| *it == rank);
            oldest.take(REMEMBERED).map(|(.., it)| *it).collect()
        };
        self.never_back = of_rank(Rank::Unconfirmed);
        self.back = of_rank(Rank::Anonymous);
        let took = started.elapsed();
        let is_costly = took > CHEAP && found.len() < WORTHWHILE;
        self.next_search = is_costly.then(|| Instant::now() + took * 10);
        Ok(())
    }
}

/// Not whose they are: keys may be half of an id.
impl fmt::Debug for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidates").finish_non_exhaustive()
    }
}

/// Finds the sessions of a bucket that have no user, and returns how many records were read.
fn look(
    root: &Directory,
    bucket: &str,
    found: &mut Vec<(i128, Rank, Candidate)>,
) -> io::Result<usize> {
    let Some(folder) = present(root.folder(bucket))? else {
        return Ok(0);
    };
    let names = name::names(&folder, bucket)?;
    for name in &names {
        // What cannot be read is nothing that could go.
        if let Ok(Found::Session(session, stat)) =
            record::find(root, name.key(), &name.path(NAME), Wait::Yes)
            && session.user().is_none()
        {
            let candidate = (*session.key(), session.version());
            found.push((stat.modified, Rank::of(&session), candidate));
        }
    }
    Ok(names.len())
}
