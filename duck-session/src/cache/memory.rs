use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use duck::Result;
use duck::session::SessionError;
use hashbrown::DefaultHashBuilder;
use tokio::time::Instant;

use self::shard::{NEVER, Place, Record, Shard};
use super::{Cache, Entry, Page};

mod page;
mod shard;

/// What an entry takes besides its key and its value: a slot, a place in the index, and what the
/// allocator adds.
const OVERHEAD: usize = 96;

/// More parts than this no longer help: few threads wait for the same lock at once.
const MOST_SHARDS: usize = 64;

/// A part is worth its own lock from this many entries and bytes on. A small cache is one part,
/// and then "least recently used" is exact.
const SHARD_ENTRIES: usize = 1024;
const SHARD_BYTES: usize = 1 << 20;

/// Expired entries that one full cache removes at a time: enough that the next writers find room,
/// too few to be felt.
const EXPIRED_AT_ONCE: usize = 256;

/// Keeps everything in the memory of this process: the fastest storage, for one process and for
/// data that may be lost when it ends.
///
/// It never grows past the number of entries and bytes it was made with. When it is full, expired
/// entries go first, then the ones that nobody used for the longest time.
///
/// ```
/// use std::time::Duration;
/// use duck_session::cache::{Cache, InMemoryCache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> duck::Result<()> {
/// let cache = InMemoryCache::new(10_000, 64 << 20);
/// cache.set("visits", b"3", Some(Duration::from_mins(1))).await?;
/// assert_eq!(cache.get("visits").await?.as_deref(), Some(&b"3"[..]));
/// # Ok(())
/// # }
/// ```
///
/// Time is taken from the monotonic clock: setting the machine's clock neither expires an entry
/// nor brings one back.
pub struct InMemoryCache {
    shards: Box<[Mutex<Shard>]>,
    hasher: DefaultHashBuilder,
    started: Instant,
    max_entries: usize,
    max_bytes: usize,
    entries: AtomicUsize,
    bytes: AtomicUsize,
    /// Nothing expires before this time.
    next_expiry: AtomicU64,
    /// Where the search for an entry to evict begins, one part further each time.
    turn: AtomicUsize,
    keeps_longer: fn(&[u8]) -> bool,
}

impl InMemoryCache {
    /// A cache for at most `max_entries` entries and `max_bytes` bytes of keys and values, each
    /// entry counted with about a hundred bytes more for what it takes besides.
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
            next_expiry: AtomicU64::new(NEVER),
            turn: AtomicUsize::new(0),
            keeps_longer: |_| false,
        }
    }

    /// The same cache; when it is full, values for which `keeps_longer` is true are evicted only
    /// after all others. It is asked once per write.
    #[must_use]
    pub(crate) fn with_priority(mut self, keeps_longer: fn(&[u8]) -> bool) -> Self {
        self.keeps_longer = keeps_longer;
        self
    }

    fn now(&self) -> u64 {
        millis(self.started.elapsed())
    }

    fn hash(&self, key: &str) -> u64 {
        self.hasher.hash_one(key.as_bytes())
    }

    fn lock(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // The index takes the low and the topmost bits of the hash; these are neither.
        lock(&self.shards[(hash >> 40) as usize & (self.shards.len() - 1)])
    }

    fn record(&self, key: &str, value: &[u8], ttl: Option<Duration>, now: u64) -> Result<Record> {
        if key.len() + value.len() + OVERHEAD > self.max_bytes {
            let limit = format!("the memory storage holds {} bytes in all", self.max_bytes);
            return Err(SessionError::TooLarge(limit).into());
        }
        Ok(Record::new(
            key.as_bytes(),
            value,
            ttl.map_or(NEVER, |ttl| now.saturating_add(millis(ttl))),
            (self.keeps_longer)(value),
        ))
    }

    fn read(&self, key: &str) -> Option<Bytes> {
        let hash = self.hash(key);
        self.lock(hash).get(hash, key.as_bytes(), || self.now())
    }

    fn write(&self, key: &str, record: Record) {
        let hash = self.hash(key);
        let shard = self.lock(hash);
        let place = shard.place(hash, key.as_bytes());
        self.put(shard, place, hash, record);
    }

    fn remove(&self, key: &str) {
        let hash = self.hash(key);
        let old = self.lock(hash).remove(hash, key.as_bytes());
        self.count_removed(old);
    }

    fn swap(&self, key: &str, expected: Option<&[u8]>, new: Option<Record>, now: u64) -> bool {
        let hash = self.hash(key);
        let mut shard = self.lock(hash);
        let place = shard.place(hash, key.as_bytes());
        if !is_same(place.and_then(|place| shard.peek(place, now)), expected) {
            return false;
        }
        if let Some(record) = new {
            self.put(shard, place, hash, record);
        } else {
            let old = shard.remove(hash, key.as_bytes());
            drop(shard);
            self.count_removed(old);
        }
        true
    }

    fn put(
        &self,
        mut shard: MutexGuard<'_, Shard>,
        place: Option<Place>,
        hash: u64,
        record: Record,
    ) {
        let expires = record.expires();
        // Counted before anyone can remove it, so that the sums never pass below zero.
        self.entries.fetch_add(1, Ordering::Relaxed);
        self.bytes
            .fetch_add(record.len() + OVERHEAD, Ordering::Relaxed);
        let old = shard.put(place, hash, record);
        drop(shard);
        self.count_removed(old);
        self.expects(expires);
        self.make_room();
    }

    fn count_removed(&self, removed: impl IntoIterator<Item = Bytes>) -> usize {
        let (mut entries, mut bytes) = (0, 0);
        for record in removed {
            entries += 1;
            bytes += record.len() + OVERHEAD;
        }
        self.entries.fetch_sub(entries, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        entries
    }

    /// Remembers that something expires at `time`.
    fn expects(&self, time: u64) {
        if time < self.next_expiry.load(Ordering::Relaxed) {
            self.next_expiry.fetch_min(time, Ordering::Relaxed);
        }
    }

    fn is_over(&self) -> bool {
        self.entries.load(Ordering::Relaxed) > self.max_entries
            || self.bytes.load(Ordering::Relaxed) > self.max_bytes
    }

    fn make_room(&self) {
        while self.is_over()
            && (self.sweep(EXPIRED_AT_ONCE) > 0 || self.evict(false) || self.evict(true))
        {}
    }

    fn evict(&self, keeps_longer: bool) -> bool {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let evicted = (0..self.shards.len())
            .map(|step| turn.wrapping_add(step) & (self.shards.len() - 1))
            .find_map(|at| lock(&self.shards[at]).evict(keeps_longer));
        self.count_removed(evicted) > 0
    }

    /// Removes up to `limit` expired entries, looking only where there can be some.
    fn sweep(&self, limit: usize) -> usize {
        let now = self.now();
        if self.next_expiry.load(Ordering::Relaxed) > now {
            return 0;
        }
        // Before the first look, so that what writers announce meanwhile is kept.
        self.next_expiry.store(NEVER, Ordering::Relaxed);
        let mut removed = 0;
        for shard in &self.shards {
            let mut shard = lock(shard);
            let expired = shard.remove_expired(now, limit - removed);
            self.expects(shard.next_expiry());
            drop(shard);
            removed += self.count_removed(expired);
        }
        removed
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

impl Cache for InMemoryCache {
    const ATOMIC: bool = true;
    const IN_PROCESS: bool = true;

    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        self.write(key, self.record(key, value, ttl, self.now())?);
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        Ok(self.read(key))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.remove(key);
        Ok(())
    }

    async fn clear(&self) -> Result<()> {
        for shard in &self.shards {
            let removed = lock(shard).clear();
            self.count_removed(removed);
        }
        Ok(())
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Entry<'_>>,
    ) -> Result<bool> {
        let now = self.now();
        let record = new
            .map(|entry| self.record(key, entry.value, entry.ttl, now))
            .transpose()?;
        Ok(self.swap(key, expected, record, now))
    }

    async fn remove_expired(&self, limit: usize) -> Result<usize> {
        Ok(self.sweep(limit))
    }

    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        self.list(after, limit)
    }
}

/// A power of two, so that a mask chooses the part.
fn shard_count(max_entries: usize, max_bytes: usize) -> usize {
    let worth = (max_entries / SHARD_ENTRIES).min(max_bytes / SHARD_BYTES);
    1 << worth.clamp(1, MOST_SHARDS).ilog2()
}

/// A panic under the lock can at worst leave an entry uncounted, never a half-written value.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(NEVER)
}

fn is_same(held: Option<&[u8]>, expected: Option<&[u8]>) -> bool {
    match (held, expected) {
        // The engine mostly gives back the very bytes it got.
        (Some(held), Some(expected)) => std::ptr::eq(held, expected) || held == expected,
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
