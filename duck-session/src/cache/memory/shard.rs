//! One of the parts an [`InMemoryCache`](super::InMemoryCache) is divided into: entries in slots
//! that are used again, an index by key, and two lists in order of use.

use std::hash::BuildHasher;
use std::mem;

use bytes::Bytes;
use hashbrown::{DefaultHashBuilder, HashTable};

/// The expiry of what does not expire.
pub(super) const NEVER: u64 = u64::MAX;

/// No slot.
const NONE: u32 = u32::MAX;

/// What a slot holds. Key and value lie in one allocation, which saves one per session and, on
/// lookup, a cache line.
pub(super) struct Record {
    bytes: Bytes,
    expires: u64,
    key_len: u32,
    keeps_longer: bool,
}

impl Record {
    pub(super) fn new(key: &[u8], value: &[u8], expires: u64, keeps_longer: bool) -> Self {
        Self {
            bytes: [key, value].concat().into(),
            expires,
            key_len: u32::try_from(key.len()).expect("keys are far shorter than 4 GiB"),
            keeps_longer,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn expires(&self) -> u64 {
        self.expires
    }

    fn key(&self) -> &[u8] {
        &self.bytes[..self.key_len as usize]
    }

    fn value(&self) -> &[u8] {
        &self.bytes[self.key_len as usize..]
    }

    /// The clock is read only for what expires at all.
    fn is_live(&self, now: impl Fn() -> u64) -> bool {
        self.expires == NEVER || now() < self.expires
    }
}

struct Slot {
    record: Record,
    /// The neighbours in the list. In a free slot, `older` is the next free one.
    older: u32,
    newer: u32,
}

/// A list through the slots in order of use.
#[derive(Clone, Copy)]
struct List {
    newest: u32,
    oldest: u32,
}

const EMPTY: List = List {
    newest: NONE,
    oldest: NONE,
};

/// The slot of a key, until something else is stored or removed.
#[derive(Clone, Copy)]
pub(super) struct Place(u32);

/// An entry on a page.
pub(super) struct Found<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: Bytes,
    pub(super) expires: u64,
}

pub(super) struct Shard {
    hasher: DefaultHashBuilder,
    index: HashTable<u32>,
    slots: Vec<Slot>,
    free: u32,
    /// First the entries that go early, then those kept longer.
    lists: [List; 2],
    next_expiry: u64,
}

impl Shard {
    pub(super) fn new(hasher: DefaultHashBuilder) -> Self {
        Self {
            hasher,
            index: HashTable::new(),
            slots: Vec::new(),
            free: NONE,
            lists: [EMPTY; 2],
            next_expiry: NEVER,
        }
    }

    /// Nothing here expires before this time.
    pub(super) fn next_expiry(&self) -> u64 {
        self.next_expiry
    }

    pub(super) fn get(&mut self, hash: u64, key: &[u8], now: impl Fn() -> u64) -> Option<Bytes> {
        let at = self.find(hash, key)?;
        let record = &self.slots[at as usize].record;
        if !record.is_live(now) {
            return None;
        }
        let value = record.bytes.slice(record.key_len as usize..);
        self.use_again(at);
        Some(value)
    }

    /// Where the key is, if it is here.
    pub(super) fn place(&self, hash: u64, key: &[u8]) -> Option<Place> {
        self.find(hash, key).map(Place)
    }

    /// The live value at a place, without counting as a use.
    pub(super) fn peek(&self, place: Place, now: u64) -> Option<&[u8]> {
        let record = &self.slots[place.0 as usize].record;
        record.is_live(|| now).then(|| record.value())
    }

    /// Stores the record, at the place of its key if it has one, and gives back the bytes of the
    /// one it replaces.
    pub(super) fn put(&mut self, place: Option<Place>, hash: u64, record: Record) -> Option<Bytes> {
        self.next_expiry = self.next_expiry.min(record.expires);
        let Some(Place(at)) = place else {
            self.insert(hash, record);
            return None;
        };
        self.unlink(at);
        let old = mem::replace(&mut self.slots[at as usize].record, record);
        self.link(at);
        Some(old.bytes)
    }

    pub(super) fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Bytes> {
        let is_key = |at: &u32| slots_key(&self.slots, *at) == key;
        let (at, _) = self.index.find_entry(hash, is_key).ok()?.remove();
        Some(self.release(at))
    }

    /// Removes the entry of this kind that was not used for the longest time.
    pub(super) fn evict(&mut self, keeps_longer: bool) -> Option<Bytes> {
        let at = self.lists[usize::from(keeps_longer)].oldest;
        (at != NONE).then(|| self.take(at))
    }

    pub(super) fn remove_expired(&mut self, now: u64, limit: usize) -> Vec<Bytes> {
        let mut removed = Vec::new();
        if self.next_expiry > now || limit == 0 {
            return removed;
        }
        let mut next_expiry = NEVER;
        for at in 0..self.slots.len() {
            let expires = self.slots[at].record.expires;
            if expires <= now && removed.len() < limit {
                removed.push(self.take(number(at)));
            } else {
                next_expiry = next_expiry.min(expires);
            }
        }
        self.next_expiry = next_expiry;
        removed
    }

    /// What is in the slots from `from` on, with its expiry, up to `limit` of it; and the slot to go on
    /// from, where that is not the end. An entry keeps its slot for as long as it is there.
    pub(super) fn page(&self, from: usize, limit: usize) -> (Vec<Found<'_>>, Option<usize>) {
        let mut found = Vec::new();
        for (at, slot) in self.slots.iter().enumerate().skip(from) {
            let key = slot.record.key();
            // A free slot holds nothing, not even what has an empty key.
            if self.find(self.hasher.hash_one(key), key) != Some(number(at)) {
                continue;
            }
            if found.len() == limit {
                return (found, Some(at));
            }
            found.push(Found {
                key,
                value: slot.record.bytes.slice(slot.record.key_len as usize..),
                expires: slot.record.expires,
            });
        }
        (found, None)
    }

    pub(super) fn clear(&mut self) -> Vec<Bytes> {
        let mut emptied = mem::replace(self, Self::new(self.hasher.clone()));
        let bytes = |at: u32| mem::take(&mut emptied.slots[at as usize].record.bytes);
        emptied.index.into_iter().map(bytes).collect()
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        let is_key = |at: &u32| slots_key(&self.slots, *at) == key;
        self.index.find(hash, is_key).copied()
    }

    fn insert(&mut self, hash: u64, record: Record) {
        let at = self.slot_for(record);
        let rehash = |at: &u32| self.hasher.hash_one(slots_key(&self.slots, *at));
        self.index.insert_unique(hash, at, rehash);
        self.link(at);
    }

    fn slot_for(&mut self, record: Record) -> u32 {
        let (older, newer) = (NONE, NONE);
        let slot = Slot {
            record,
            older,
            newer,
        };
        if self.free == NONE {
            self.slots.push(slot);
            return number(self.slots.len() - 1);
        }
        let at = self.free;
        self.free = mem::replace(&mut self.slots[at as usize], slot).older;
        at
    }

    /// Removes the entry in a slot that is in use.
    fn take(&mut self, at: u32) -> Bytes {
        let hash = self.hasher.hash_one(slots_key(&self.slots, at));
        if let Ok(entry) = self.index.find_entry(hash, |found| *found == at) {
            entry.remove();
        }
        self.release(at)
    }

    /// Frees a slot that the index no longer names.
    fn release(&mut self, at: u32) -> Bytes {
        self.unlink(at);
        let slot = &mut self.slots[at as usize];
        slot.older = mem::replace(&mut self.free, at);
        slot.record.key_len = 0;
        slot.record.expires = NEVER;
        mem::take(&mut slot.record.bytes)
    }

    fn use_again(&mut self, at: u32) {
        if self.slots[at as usize].newer != NONE {
            self.unlink(at);
            self.link(at);
        }
    }

    fn list_of(&mut self, at: u32) -> &mut List {
        &mut self.lists[usize::from(self.slots[at as usize].record.keeps_longer)]
    }

    /// Puts a slot at the newest end of its list.
    fn link(&mut self, at: u32) {
        let list = self.list_of(at);
        let older = mem::replace(&mut list.newest, at);
        if older == NONE {
            list.oldest = at;
        } else {
            self.slots[older as usize].newer = at;
        }
        let slot = &mut self.slots[at as usize];
        (slot.older, slot.newer) = (older, NONE);
    }

    /// Takes a slot out of its list.
    fn unlink(&mut self, at: u32) {
        let Slot { older, newer, .. } = self.slots[at as usize];
        match newer {
            NONE => self.list_of(at).newest = older,
            _ => self.slots[newer as usize].older = older,
        }
        match older {
            NONE => self.list_of(at).oldest = newer,
            _ => self.slots[older as usize].newer = newer,
        }
    }
}

fn slots_key(slots: &[Slot], at: u32) -> &[u8] {
    slots[at as usize].record.key()
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("a cache holds at most u32::MAX entries")
}
