//! Making room for new sessions: at the bounds, and where a shard is full.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::statvfs;

use super::connection::PAGE;
use super::failure::Failure;
use super::place::Prefix;
use super::rows::{self, BATCH, Pages};
use super::shard::Shard;
use super::split::split_or_warn;
use super::transaction::Aborted;
use super::writer::Writer;
use crate::store::bounds::Rank;
use crate::store::{Durability, StoredSession};

/// When a shard is looked at again after it could not be split: it holds more than it should, which only costs
/// time.
const SPLIT_AGAIN: Duration = Duration::from_secs(60);

/// A shard with fewer free pages (256 KiB) is not copied to give them back to the disk.
const FEW_PAGES: u64 = 64;

/// Two shards with two files beside each, and as many for others.
const COPY_FILES: u64 = 12;

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
        let folder = &self.folder;
        let mut free = self
            .count
            .free(self.bounds.max_sessions, || folder.count())?;
        if free < sessions {
            let batch = BATCH.min(self.bounds.max_sessions / 100);
            free += self.give_up(shard, sessions - free + batch)?;
        }
        if self.is_disk_low() {
            free = free.min(self.make_room_in(shard, sessions, pages)?);
        }
        Ok(free)
    }

    fn is_disk_low(&self) -> bool {
        self.bounds.is_disk_low(self.folder.path())
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
        let evicted = self.transaction(shard, Durability::Crash, |connection| {
            let evicted = rows::evict(connection, rank, most);
            Ok(evicted.map_err(Failure::at(shard.path(), "written"))?)
        })?;
        self.count.removed(evicted);
        Ok(evicted as u64)
    }

    /// Makes room for so many sessions with so many pages of their own inside a shard, so that it takes no
    /// more of the disk: what is removed is free for others in the same shard. Gives for how many.
    fn make_room_in(
        &mut self,
        shard: &Arc<Shard>,
        sessions: u64,
        pages: u64,
    ) -> Result<u64, Aborted> {
        let mut given_up = 0;
        for rank in [Rank::Unconfirmed, Rank::Anonymous] {
            loop {
                let free = self.pages(shard)?.free;
                // A session may take three pages that are only half full then: in the trees of sessions, of
                // users and of expiry. Or it takes the place of others in theirs.
                if free >= pages + 3 * sessions || (free >= pages && given_up >= 2 * sessions) {
                    return Ok(sessions);
                }
                let evicted = self.evict(shard, rank, BATCH.max(2 * sessions))?;
                if evicted == 0 {
                    break;
                }
                given_up += evicted;
            }
        }
        let has_pages = self.pages(shard)?.free >= pages;
        Ok(if has_pages { sessions.min(given_up) } else { 0 })
    }

    fn pages(&mut self, shard: &Arc<Shard>) -> Result<Pages, Aborted> {
        let pages = rows::pages(self.writer(shard)?.connection());
        Ok(pages.map_err(Failure::at(shard.path(), "read"))?)
    }

    /// Has a shard that is full split into two.
    pub(super) fn split_if_full(&mut self, shard: &Arc<Shard>, pages: Pages) {
        if pages.used * PAGE >= self.shard_bytes
            && let Some(halves) = shard.prefix().halves()
            && !self.is_disk_low()
        {
            self.copy(shard, pages, Vec::from(halves));
        }
    }

    /// Has a shard that is mostly empty copied into a file of its own size.
    pub(super) fn shrink_if_sparse(&mut self, shard: &Arc<Shard>, pages: Pages) {
        if pages.free >= FEW_PAGES.max(pages.used) {
            self.copy(shard, pages, vec![shard.prefix()]);
        }
    }

    /// Has new shards take the place of one: by a thread of its own, one shard at a time. Where that fails, it
    /// stays.
    fn copy(&mut self, shard: &Arc<Shard>, pages: Pages, parts: Vec<Prefix>) {
        if let Some(splitting) = self.splitting.take_if(|it| it.is_finished())
            && !splitting.join().unwrap_or_default()
        {
            self.no_split_before = Some(Instant::now() + SPLIT_AGAIN);
        }
        let is_waiting = self.no_split_before.is_some_and(|at| Instant::now() < at);
        if is_waiting || self.splitting.is_some() || !self.has_room_for_copy(pages.used * PAGE) {
            return;
        }
        let (folder, shard) = (Arc::clone(&self.folder), Arc::clone(shard));
        let thread = thread::Builder::new().name("duck-sessions-split".to_owned());
        self.splitting = thread
            .spawn(move || split_or_warn(&folder, &shard, &parts))
            .ok();
    }

    /// Whether the disk has room for a copy of so many bytes, and for the logs beside it.
    fn has_room_for_copy(&self, bytes: u64) -> bool {
        statvfs(self.folder.path()).is_ok_and(|disk| {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let has_files = disk.f_files == 0 || disk.f_favail >= COPY_FILES;
            free / 2 >= bytes && has_files
        })
    }
}
