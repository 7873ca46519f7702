use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use duck::Result;
use duck::session::SessionError;
use hashbrown::DefaultHashBuilder;
use tokio::time::Instant;

use self::held::{Held, Times};
use self::shard::Shard;
use crate::Clock;
use crate::clock::millis;

mod cache;
mod held;
mod sessions;
mod shard;

/// More parts than this no longer help: few threads wait for the same lock at once.
const MOST_SHARDS: usize = 64;

/// A part is worth its own lock from this many entries and bytes on. A small cache is one part,
/// and then "least recently used" is exact.
const SHARD_ENTRIES: usize = 1024;
const SHARD_BYTES: usize = 1 << 20;

/// What expired in one part of a full cache and is removed at a time: enough that the next writers find
/// room, too little to be felt.
const EXPIRED_AT_ONCE: usize = 256;

/// Keeps everything in the memory of this process: the fastest storage, for one process and for
/// data that may be lost when it ends.
///
/// It is a [`SessionStore`](super::SessionStore), and a [`Cache`](super::Cache) for data of a site's own.
/// Neither side sees what the other one holds; both count towards the same limits.
///
/// It never grows past the number of entries and bytes it was made with. When it is full, it gives up what
/// expired, then anonymous sessions and entries of the cache that nobody used for the longest time, and
/// then such sessions with a user. A new anonymous session never takes the place of one with a user: it is
/// refused as [`Full`](SessionError::Full).
///
/// ```
/// use std::time::Duration;
/// use duck_session::store::{
///     Cache, Durability, InMemoryCache, SessionKey, SessionStore, StoredSession, UserKey, Version,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> duck::Result<()> {
/// let cache = InMemoryCache::new(10_000, 64 << 20);
/// cache.set("visits", b"3", Some(Duration::from_mins(1))).await?;
/// assert_eq!(cache.get("visits").await?.as_deref(), Some(&b"3"[..]));
///
/// let (key, user) = (SessionKey::from_bytes([7; 16]), UserKey::from_bytes([1; 16]));
/// let session = StoredSession::new(key, Version::first(), Some(user), 1_900_000_000_000, "");
/// assert!(cache.create(&session, Durability::Crash).await?);
/// assert_eq!(cache.of_user(&user, 10).await?.len(), 1);
/// # Ok(())
/// # }
/// ```
///
/// The time of an entry is taken from the monotonic clock: setting the machine's clock neither expires one
/// nor brings it back. When a session ends is for the engine to say. Only a full cache looks at the
/// system's clock, for sessions to give up.
pub struct InMemoryCache {
    shards: Box<[Mutex<Shard>]>,
    hasher: DefaultHashBuilder,
    started: Instant,
    max_entries: usize,
    max_bytes: usize,
    entries: AtomicUsize,
    bytes: AtomicUsize,
    /// Where the search for something to give up begins, one part further each time.
    turn: AtomicUsize,
}

impl InMemoryCache {
    /// A cache for at most `max_entries` sessions and entries and `max_bytes` bytes of them, each
    /// counted with what it takes besides: some two hundred bytes a session.
    pub fn new(max_entries: usize, max_bytes: usize) -> Self {
        let max_entries = max_entries.clamp(1, u32::MAX as usize);
        let hasher = DefaultHashBuilder::default();
        Self {
            shards: (0..shard_count(max_entries, max_bytes))
                .map(|_| Mutex::new(Shard::new(hasher.clone())))
                .collect(),
            hasher,
            started: Instant::now(),
            max_entries,
            max_bytes,
            entries: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
        }
    }

    /// The monotonic clock, in milliseconds.
    fn uptime(&self) -> u64 {
        millis(self.started.elapsed())
    }

    fn lock(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // The index takes the low and the topmost bits of the hash; these are neither.
        lock(&self.shards[(hash >> 40) as usize & (self.shards.len() - 1)])
    }

    /// Refuses what would not fit into an empty cache.
    fn check_size(&self, held: &Held) -> Result<()> {
        if held.size() > self.max_bytes {
            let limit = format!("the memory storage holds {} bytes in all", self.max_bytes);
            return Err(SessionError::TooLarge(limit).into());
        }
        Ok(())
    }

    /// Counts what is about to be stored: before anyone can remove it, so that the sums never pass below
    /// zero.
    fn count(&self, held: &Held) {
        self.entries.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(held.size(), Ordering::Relaxed);
    }

    fn count_removed(&self, removed: impl IntoIterator<Item = Held>) -> usize {
        let (mut entries, mut bytes) = (0, 0);
        for held in removed {
            entries += 1;
            bytes += held.size();
        }
        self.entries.fetch_sub(entries, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        entries
    }

    fn is_over(&self) -> bool {
        self.entries.load(Ordering::Relaxed) > self.max_entries
            || self.bytes.load(Ordering::Relaxed) > self.max_bytes
    }

    /// Gives up what it takes to be within the limits again, and returns whether it gave up anything.
    fn make_room(&self) -> bool {
        let mut gave_up = false;
        while self.is_over() {
            let now = Times {
                sessions: Clock::default().now(),
                entries: self.uptime(),
            };
            let expired_or_early = |shard: &mut Shard| {
                let mut removed = shard.remove_expired(now, EXPIRED_AT_ONCE);
                if removed.is_empty() {
                    removed.extend(shard.evict(false));
                }
                removed
            };
            let with_user = |shard: &mut Shard| shard.evict(true).into_iter().collect();
            if !self.give_up(expired_or_early) && !self.give_up(with_user) {
                break;
            }
            gave_up = true;
        }
        gave_up
    }

    /// Removes what one part gives up: the first one that has anything.
    fn give_up(&self, choose: impl Fn(&mut Shard) -> Vec<Held>) -> bool {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        (0..self.shards.len()).any(|step| {
            let at = turn.wrapping_add(step) & (self.shards.len() - 1);
            let removed = choose(&mut lock(&self.shards[at]));
            self.count_removed(removed) > 0
        })
    }

    /// Removes up to `limit` of what expired.
    fn sweep(&self, now: Times, limit: usize) -> usize {
        let mut removed = 0;
        for shard in &self.shards {
            let expired = lock(shard).remove_expired(now, limit - removed);
            removed += self.count_removed(expired);
        }
        removed
    }

    fn clear_what(&self, goes: fn(&Held) -> bool) {
        for shard in &self.shards {
            let removed = lock(shard).clear(goes);
            self.count_removed(removed);
        }
    }
}

/// 100 000 entries, 256 MiB.
impl Default for InMemoryCache {
    fn default() -> Self {
        Self::new(100_000, 256 << 20)
    }
}

impl fmt::Debug for InMemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryCache")
            .field("entries", &self.entries)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// A power of two, so that a mask chooses the part.
fn shard_count(max_entries: usize, max_bytes: usize) -> usize {
    let worth = (max_entries / SHARD_ENTRIES).min(max_bytes / SHARD_BYTES);
    1 << worth.clamp(1, MOST_SHARDS).ilog2()
}

/// A panic under the lock can at worst leave an entry uncounted, never a half-written one.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
