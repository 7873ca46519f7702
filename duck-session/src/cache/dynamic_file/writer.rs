use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc;

use super::entries;
use super::expiry::{self, Instant};
use super::failure::Failure;
use super::folder::Folder;
use super::lane::Lane;
use super::lock::{FolderLock, Locked};
use super::operation::{Answer, Request, Task};
use super::reserve::Reserve;
use super::shard::Shard;
use super::sweep::Slice;
use crate::clock::Clock;

/// How many requests are taken at once: few enough that nobody waits long for the commit.
const MOST: usize = 256;

/// The one thread of the process that changes the shards.
#[derive(Debug)]
pub(super) struct Writer {
    folder: Arc<Folder>,
    lock: FolderLock,
    pub(super) reserve: Reserve,
    /// In the order of the folder's list: the newest shard first.
    pub(super) lanes: Vec<Lane>,
    pub(super) shard_bytes: u64,
    clock: Clock,
}

impl Writer {
    /// Opens the folder to write to it, with a first shard where there is none.
    pub(super) fn open(
        folder: Arc<Folder>,
        shard_bytes: u64,
        clock: Clock,
    ) -> Result<Self, Failure> {
        let lock = FolderLock::open(folder.path())?;
        let mut writer = Self {
            reserve: Reserve::new(folder.path()),
            folder,
            lock,
            lanes: Vec::new(),
            shard_bytes,
            clock,
        };
        let locked = writer.lock.acquire()?;
        // Another process may have died between making a shard and telling of it.
        writer.folder.changed(&locked)?;
        writer.follow_folder();
        if writer.lanes.is_empty() {
            writer.add_shard(&locked)?;
        }
        writer.folder.remove_leftovers(&locked);
        writer.open_shards();
        writer.reserve.keep();
        Ok(writer)
    }

    /// Opens every shard, and keeps it open: SQLite takes some room beside it for that, without which
    /// nobody reads it either. On a full disk it gets the reserve.
    fn open_shards(&mut self) {
        // What else is wrong with one is said when it is used.
        let has_no_room =
            |lane: &mut Lane| matches!(lane.is_empty(), Err(failure) if failure.is_disk_full());
        if self.lanes.iter_mut().any(has_no_room) {
            self.reserve.release();
            for lane in &mut self.lanes {
                let _ = lane.is_empty();
            }
        }
    }

    /// Starts the thread. It ends when the queue is closed and everything in it is answered.
    pub(super) fn start(
        mut self,
        mut queue: mpsc::Receiver<Request>,
    ) -> std::io::Result<thread::JoinHandle<()>> {
        let thread = thread::Builder::new().name("duck-sessions".to_owned());
        thread.spawn(move || {
            let mut waiting = Vec::with_capacity(MOST);
            while queue.blocking_recv_many(&mut waiting, MOST) > 0 {
                self.serve(waiting.drain(..));
            }
        })
    }

    pub(super) fn carry_out(&mut self, task: Task) -> Answer {
        let lock = self.enter()?;
        match task {
            Task::Clear => self.clear(&lock),
            Task::Checkpoint => self.checkpoint(),
        }
    }

    pub(super) fn now(&self) -> Instant {
        expiry::now(&self.clock)
    }

    /// Waits until this process may write, and sees to it that what it is going to write into is
    /// what the others read.
    pub(super) fn enter(&mut self) -> Result<Locked, Failure> {
        let lock = self.lock.acquire()?;
        if !self.lanes.iter().all(|lane| lane.shard().is_current()) {
            self.folder.distrust();
        }
        self.folder.refresh()?;
        self.follow_folder();
        Ok(lock)
    }

    /// Has one lane for each shard on the folder's list. Lanes of shards that stayed keep their
    /// connection and their transaction.
    fn follow_folder(&mut self) {
        let shards = self.folder.shards();
        let same = |(lane, shard): (&Lane, &Arc<Shard>)| Arc::ptr_eq(lane.shard(), shard);
        let list = shards.newest_first();
        if self.lanes.len() == list.len() && self.lanes.iter().zip(list).all(same) {
            return;
        }
        let mut before = std::mem::take(&mut self.lanes);
        for shard in list {
            let known = before
                .iter()
                .position(|lane| Arc::ptr_eq(lane.shard(), shard));
            let lane = known.map(|index| before.swap_remove(index));
            self.lanes
                .push(lane.unwrap_or_else(|| Lane::new(Arc::clone(shard))));
        }
    }

    pub(super) fn add_shard(&mut self, lock: &Locked) -> Result<(), Failure> {
        self.folder.add_shard(lock)?;
        self.follow_folder();
        Ok(())
    }

    /// Commits every lane; gives the shards where that failed.
    pub(super) fn commit_all(&mut self) -> Vec<(u32, Failure)> {
        let commit = |lane: &mut Lane| Some((lane.number(), lane.commit().err()?));
        self.lanes.iter_mut().filter_map(commit).collect()
    }

    /// Removes the shards, but for the newest, in which nothing is left. What keeps one from going
    /// keeps nobody from working.
    pub(super) fn remove_emptied(&mut self, lock: &Locked) {
        for lane in self.lanes.iter_mut().skip(1) {
            if matches!(lane.is_empty(), Ok(true))
                && let Err(failure) = self.folder.remove_shard(lane.shard(), lock)
            {
                lane.shard().warn(&failure);
            }
        }
        self.follow_folder();
    }

    fn checkpoint(&mut self) -> Answer {
        self.each_lane(Lane::checkpoint)?;
        self.reserve.keep();
        Ok(0)
    }

    fn clear(&mut self, lock: &Locked) -> Answer {
        let result = self.each_lane(|lane| {
            let cleared = lane.run(true, entries::clear);
            // Also after a failure: no transaction stays open.
            lane.commit().and(cleared.map(drop))
        });
        self.remove_emptied(lock);
        result.map(|()| 0)
    }

    /// Removes expired entries until the slice is over. What goes wrong in one shard keeps no
    /// other from being swept.
    pub(super) fn sweep(&mut self, wanted: usize) -> Result<Slice, Failure> {
        let lock = self.enter()?;
        let now = self.now();
        let mut slice = Slice::begin(wanted);
        slice.failure = self.each_lane(|lane| slice.sweep(lane, now)).err();
        if slice.removed > 0 {
            self.remove_emptied(&lock);
        }
        Ok(slice)
    }

    /// Does `work` in every lane, whatever happens in the others; gives the first failure.
    fn each_lane(
        &mut self,
        mut work: impl FnMut(&mut Lane) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let results: Vec<_> = self.lanes.iter_mut().rev().map(&mut work).collect();
        results.into_iter().collect()
    }
}
