//! One of the parts an [`InMemoryCache`](super::InMemoryCache) is divided into: slots that are used
//! again, indexes by key and by user, and two lists in order of use.

use std::hash::BuildHasher;
use std::mem;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::held::{Entry, Held, NEVER, Times};
use crate::store::{SessionKey, StoredSession, UserKey};

/// No slot.
const NONE: u32 = u32::MAX;

struct Slot {
    /// `None` in a free slot.
    held: Option<Held>,
    /// When that is over: here, so that a search for what expired reads nothing else.
    over_from: u64,
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

/// The slot of something that is here, until something else is stored or removed.
#[derive(Clone, Copy)]
pub(super) struct Place(u32);

pub(super) struct Shard {
    hasher: DefaultHashBuilder,
    keys: HashTable<u32>,
    /// The slots of sessions with a user, under the hash of the user.
    users: HashTable<u32>,
    slots: Vec<Slot>,
    free: u32,
    /// What is given up first, and then the sessions with a user.
    lists: [List; 2],
    /// Nothing here is over before.
    next_over: Times,
}

impl Shard {
    pub(super) fn new(hasher: DefaultHashBuilder) -> Self {
        Self {
            hasher,
            keys: HashTable::new(),
            users: HashTable::new(),
            slots: Vec::new(),
            free: NONE,
            lists: [EMPTY; 2],
            next_over: Times::NEVER,
        }
    }

    pub(super) fn session(&self, hash: u64, key: &SessionKey) -> Option<(Place, &StoredSession)> {
        let is_it = |at: &u32| self.held(*at).session().is_some_and(|it| it.key() == key);
        let at = *self.keys.find(hash, is_it)?;
        Some((Place(at), self.held(at).session()?))
    }

    pub(super) fn entry(&self, hash: u64, key: &str) -> Option<(Place, &Entry)> {
        let is_it = |at: &u32| self.held(*at).entry().is_some_and(|it| *it.key == *key);
        let at = *self.keys.find(hash, is_it)?;
        Some((Place(at), self.held(at).entry()?))
    }

    /// The sessions of a user, up to `limit` of them.
    pub(super) fn of_user(&self, user: &UserKey, limit: usize) -> Vec<StoredSession> {
        let hash = hash_of(&self.hasher, user.as_bytes());
        let sessions = self
            .users
            .iter_hash(hash)
            .filter_map(|at| self.held(*at).session());
        let its = sessions.filter(|session| session.user() == Some(user));
        its.take(limit).cloned().collect()
    }

    /// Stores what has no place here yet.
    pub(super) fn insert(&mut self, hash: u64, held: Held) {
        let at = self.slot_for(held);
        let rehash = |at: &u32| hash_of_key(&self.hasher, held_in(&self.slots, *at));
        self.keys.insert_unique(hash, at, rehash);
        self.add_to_user(at);
        self.link(at);
    }

    /// Stores `held` in the place of another under the same key, and gives that back.
    pub(super) fn replace(&mut self, Place(at): Place, held: Held) -> Held {
        self.unlink(at);
        let is_another = self.held(at).user() != held.user();
        if is_another {
            self.remove_from_user(at);
        }
        self.expects(&held);
        let slot = &mut self.slots[at as usize];
        slot.over_from = held.over_from();
        let old = slot.held.replace(held).expect(IN_USE);
        if is_another {
            self.add_to_user(at);
        }
        self.link(at);
        old
    }

    pub(super) fn remove(&mut self, Place(at): Place) -> Held {
        let hash = hash_of_key(&self.hasher, self.held(at));
        remove_from(&mut self.keys, hash, at);
        self.remove_from_user(at);
        self.unlink(at);
        let slot = &mut self.slots[at as usize];
        slot.older = mem::replace(&mut self.free, at);
        slot.over_from = NEVER;
        slot.held.take().expect(IN_USE)
    }

    /// Removes what was not used for the longest time: of the sessions with a user, or of the rest.
    pub(super) fn evict(&mut self, with_user: bool) -> Option<Held> {
        let at = self.lists[usize::from(with_user)].oldest;
        (at != NONE).then(|| self.remove(Place(at)))
    }

    pub(super) fn remove_expired(&mut self, now: Times, limit: usize) -> Vec<Held> {
        let mut removed = Vec::new();
        if limit == 0 || !self.next_over.have_come(now) {
            return removed;
        }
        let mut next_over = Times::NEVER;
        for at in 0..self.slots.len() {
            let Slot {
                held, over_from, ..
            } = &self.slots[at];
            let is_session = !matches!(held, Some(Held::Entry(_)));
            if *over_from > now.of(is_session) || removed.len() == limit {
                next_over.expect(is_session, *over_from);
            } else {
                removed.push(self.remove(Place(number(at))));
            }
        }
        self.next_over = next_over;
        removed
    }

    /// Removes what `goes`, and gives it back.
    pub(super) fn clear(&mut self, goes: fn(&Held) -> bool) -> Vec<Held> {
        (0..self.slots.len())
            .filter_map(|at| {
                let held = self.slots[at].held.as_ref()?;
                goes(held).then(|| self.remove(Place(number(at))))
            })
            .collect()
    }

    /// The sessions in the slots from `from` on, up to `limit` of them; and the slot to go on from, where
    /// that is not the end. A session keeps its slot for as long as it is there.
    pub(super) fn page(&self, from: usize, limit: usize) -> (Vec<StoredSession>, Option<usize>) {
        let mut found = Vec::new();
        for (at, slot) in self.slots.iter().enumerate().skip(from) {
            if let Some(session) = slot.held.as_ref().and_then(Held::session) {
                if found.len() == limit {
                    return (found, Some(at));
                }
                found.push(session.clone());
            }
        }
        (found, None)
    }

    pub(super) fn use_again(&mut self, Place(at): Place) {
        if self.slots[at as usize].newer != NONE {
            self.unlink(at);
            self.link(at);
        }
    }

    fn held(&self, at: u32) -> &Held {
        held_in(&self.slots, at)
    }

    fn slot_for(&mut self, held: Held) -> u32 {
        self.expects(&held);
        let slot = Slot {
            over_from: held.over_from(),
            held: Some(held),
            older: NONE,
            newer: NONE,
        };
        if self.free == NONE {
            self.slots.push(slot);
            return number(self.slots.len() - 1);
        }
        let at = self.free;
        self.free = mem::replace(&mut self.slots[at as usize], slot).older;
        at
    }

    fn expects(&mut self, held: &Held) {
        let is_session = held.session().is_some();
        self.next_over.expect(is_session, held.over_from());
    }

    fn add_to_user(&mut self, at: u32) {
        if let Some(hash) = hash_of_user(&self.hasher, self.held(at)) {
            let rehash = |at: &u32| {
                let hash = hash_of_user(&self.hasher, held_in(&self.slots, *at));
                hash.expect("only sessions with a user are listed")
            };
            self.users.insert_unique(hash, at, rehash);
        }
    }

    fn remove_from_user(&mut self, at: u32) {
        if let Some(hash) = hash_of_user(&self.hasher, self.held(at)) {
            remove_from(&mut self.users, hash, at);
        }
    }

    fn list_of(&mut self, at: u32) -> &mut List {
        let with_user = self.held(at).user().is_some();
        &mut self.lists[usize::from(with_user)]
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

const IN_USE: &str = "indexes and lists name only slots that are in use";

fn held_in(slots: &[Slot], at: u32) -> &Held {
    slots[at as usize].held.as_ref().expect(IN_USE)
}

/// The hash that a session is found by, without the prefix that tells a slice's length.
pub(super) fn hash_of(hasher: &DefaultHashBuilder, key: &[u8; 16]) -> u64 {
    hasher.hash_one(u128::from_ne_bytes(*key))
}

fn hash_of_key(hasher: &DefaultHashBuilder, held: &Held) -> u64 {
    match held {
        Held::Session(session) => hash_of(hasher, session.key().as_bytes()),
        Held::Entry(entry) => hasher.hash_one(&*entry.key),
    }
}

fn hash_of_user(hasher: &DefaultHashBuilder, held: &Held) -> Option<u64> {
    held.user().map(|user| hash_of(hasher, user.as_bytes()))
}

fn remove_from(index: &mut HashTable<u32>, hash: u64, at: u32) {
    if let Ok(entry) = index.find_entry(hash, |found| *found == at) {
        entry.remove();
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("a cache holds at most u32::MAX entries")
}
