//! Making room for new sessions: at the bounds, and where a shard is full.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::connection::PAGE;
use super::failure::Failure;
use super::rows::{self, Rank};
use super::shard::Shard;
use super::split::split_or_warn;
use super::transaction::Aborted;
use super::writer::Writer;
use crate::store::{Durability, StoredSession};

/// When a shard is looked at again after it could not be split: it holds more than it should, which only costs
/// time.
const SPLIT_AGAIN: Duration = Duration::from_secs(60);

/// How many sessions are given up at once at least, where there may be so many that it does not matter.
const BATCH: u64 = 64;

impl Writer {
    /// Gives sessions up where `new` ones would exceed a bound. Gives how many without a user there is room
    /// for.
    pub(super) fn make_room<'a>(
        &mut self,
        shard: &Arc<Shard>,
        new: impl Iterator<Item = &'a StoredSession>,
    ) -> Result<u64, Aborted> {
        let (mut sessions, mut pages) = (0, 0);
        for session in new {
            sessions += 1;
            pages += session.bytes().len() as u64 / PAGE;
        }
        if sessions == 0 {
            return Ok(0);
        }
        let folder = Arc::clone(&self.folder);
        let mut free = self.bounds.free_sessions(|| folder.count())?;
        if free < sessions {
            let batch = BATCH.min(self.bounds.max_sessions / 100);
            free += self.give_up(shard, sessions - free + batch)?;
        }
        if self.bounds.is_disk_low(folder.path()) {
            free = free.min(self.make_room_in(shard, sessions, pages)?);
        }
        Ok(free)
    }

    /// Gives up so many sessions: in all shards those that were never written again, then those of others
    /// without a user. Gives how many it were.
    fn give_up(&mut self, own: &Arc<Shard>, wanted: u64) -> Result<u64, Aborted> {
        let shards = self.folder.shards();
        let others = shards.all().iter().filter(|it| !Arc::ptr_eq(it, own));
        let shards: Vec<_> = std::iter::once(own).chain(others).cloned().collect();
        let mut given_up = 0;
        for rank in [Rank::Unconfirmed, Rank::Anonymous] {
            for shard in &shards {
                if given_up >= wanted {
                    return Ok(given_up);
                }
                match self.evict(shard, rank, wanted - given_up) {
                    Ok(evicted) => given_up += evicted,
                    Err(aborted) if Arc::ptr_eq(shard, own) => return Err(aborted),
                    // What is wrong with another one is said when it is used.
                    Err(_) => {}
                }
            }
        }
        Ok(given_up)
    }

    fn evict(&mut self, shard: &Arc<Shard>, rank: Rank, most: u64) -> Result<u64, Aborted> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let evicted = self.transaction(shard, Durability::Crash, |connection| {
            let evicted = rows::evict(connection, rank, most);
            Ok(evicted.map_err(Failure::at(shard.path(), "written"))?)
        })?;
        self.bounds.removed(evicted);
        Ok(evicted as u64)
    }

    /// Makes room for so many sessions with so many pages of their own inside a shard, so that it takes no
    /// more of the disk: what is removed is free for others in the same shard alone. Gives for how many.
    fn make_room_in(
        &mut self,
        shard: &Arc<Shard>,
        sessions: u64,
        pages: u64,
    ) -> Result<u64, Aborted> {
        let mut given_up = 0;
        for rank in [Rank::Unconfirmed, Rank::Anonymous] {
            loop {
                let free = self.free_pages(shard)?;
                // A session may take three pages that are only half full then: in the trees of sessions, of
                // users and of expiry.
                if free >= pages + 3 * sessions {
                    return Ok(sessions);
                }
                if free >= pages && given_up >= 2 * sessions {
                    return Ok(sessions);
                }
                let evicted = self.evict(shard, rank, BATCH.max(2 * sessions))?;
                if evicted == 0 {
                    break;
                }
                given_up += evicted;
            }
        }
        let has_pages = self.free_pages(shard)? >= pages;
        Ok(if has_pages { sessions.min(given_up) } else { 0 })
    }

    fn free_pages(&mut self, shard: &Arc<Shard>) -> Result<u64, Aborted> {
        let free = rows::free_pages(self.writer(shard)?.connection());
        Ok(free.map_err(Failure::at(shard.path(), "read"))?)
    }

    /// Has a shard that is full split, by a thread of its own and one at a time. Where that fails, it stays.
    pub(super) fn split_if_full(&mut self, shard: &Arc<Shard>) {
        if let Some(splitting) = self.splitting.take_if(|it| it.is_finished())
            && !splitting.join().unwrap_or_default()
        {
            self.no_split_before = Some(Instant::now() + SPLIT_AGAIN);
        }
        let is_waiting = self.no_split_before.is_some_and(|at| Instant::now() < at);
        if is_waiting || self.splitting.is_some() {
            return;
        }
        // What is wrong with it is said when it is used.
        if self.is_full(shard).unwrap_or_default() {
            let (folder, shard) = (Arc::clone(&self.folder), Arc::clone(shard));
            let thread = thread::Builder::new().name("duck-sessions-split".to_owned());
            self.splitting = thread.spawn(move || split_or_warn(&folder, &shard)).ok();
        }
    }

    fn is_full(&mut self, shard: &Arc<Shard>) -> Result<bool, Aborted> {
        let used = rows::used_pages(self.writer(shard)?.connection());
        let used = used.map_err(Failure::at(shard.path(), "read"))?;
        Ok(used * PAGE >= self.shard_bytes
            && shard.prefix().halves().is_some()
            && self
                .bounds
                .has_room_for_copy(self.folder.path(), used * PAGE))
    }
}
