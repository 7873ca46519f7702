use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tokio::sync::mpsc;

use super::bounds::Bounds;
use super::failure::Failure;
use super::folder::Folder;
use super::lock::FolderLock;
use super::place::Place;
use super::request::{Answer, Asked, Change, Request};
use super::reserve::Reserve;
use super::shard::Shard;
use super::transaction::{Aborted, ShardWriter};
use crate::store::Durability;

/// How many requests are taken at once: few enough that nobody waits long for the commit.
const MOST: usize = 256;

/// How often shards may be replaced under a change before it is an error.
const ATTEMPTS: usize = 20;

/// The one thread of the process that changes the shards. It commits all that waits for a shard in one
/// transaction.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) folder: Arc<Folder>,
    pub(super) shard_bytes: u64,
    pub(super) bounds: Bounds,
    pub(super) reserve: Reserve,
    pub(super) writers: Vec<(Arc<Shard>, ShardWriter)>,
    pub(super) no_split_before: Option<Instant>,
    pub(super) splitting: Option<thread::JoinHandle<bool>>,
}

impl Writer {
    pub(super) fn new(folder: Arc<Folder>, shard_bytes: u64, bounds: Bounds) -> Self {
        let reserve = Reserve::new(folder.path());
        reserve.keep();
        Self {
            reserve,
            folder,
            shard_bytes,
            bounds,
            writers: Vec::new(),
            no_split_before: None,
            splitting: None,
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
            if let Some(splitting) = self.splitting.take() {
                // It does not panic, and there is nobody to tell.
                let _ = splitting.join();
            }
        })
    }

    fn serve(&mut self, requests: impl Iterator<Item = Request>) {
        let mut changes = Vec::new();
        for request in requests {
            // Nobody may have waited: what was done stands.
            match request {
                Request::Change(asked) => changes.push(asked),
                Request::Sweep(from, now, most, reply) => {
                    self.make(std::mem::take(&mut changes));
                    let _ = reply.send(self.sweep(from, now, most));
                }
                Request::Clear(reply) => {
                    self.make(std::mem::take(&mut changes));
                    let _ = reply.send(self.clear());
                }
                Request::Checkpoint(reply) => {
                    self.make(std::mem::take(&mut changes));
                    let _ = reply.send(self.flush());
                }
            }
        }
        self.make(changes);
    }

    /// Makes the changes, those of one shard in one transaction, and answers.
    fn make(&mut self, mut changes: Vec<Asked>) {
        while let Some(first) = changes.first() {
            let place = first.change.place();
            match self.shard_of(place) {
                Ok(shard) => {
                    let shards = self.folder.shards();
                    let is_here = |asked: &mut Asked| {
                        let at = shards.at(asked.change.place());
                        at.is_some_and(|it| Arc::ptr_eq(it, &shard))
                    };
                    let here = changes.extract_if(.., is_here).collect();
                    changes.extend(self.make_in(&shard, here));
                }
                Err(failure) => answer(changes.remove(0), Err(failure)),
            }
        }
    }

    /// The shard of a place, which is made where there is none.
    fn shard_of(&self, place: Place) -> Result<Arc<Shard>, Failure> {
        let mut shards = self.folder.shards();
        if shards.at(place).is_none() {
            let lock = FolderLock::acquire(self.folder.path())?;
            shards = self.folder.make_shard(place, &lock)?;
        }
        shards
            .at(place)
            .cloned()
            .ok_or_else(|| self.folder.restless())
    }

    /// Makes changes in a shard; gives those that belong elsewhere by now. Where they fail together, each is
    /// tried by itself.
    fn make_in(&mut self, shard: &Arc<Shard>, mut group: Vec<Asked>) -> Vec<Asked> {
        match self.try_in(shard, &group) {
            Ok(answers) => {
                for (asked, made) in group.into_iter().zip(answers) {
                    answer(asked, Ok(made));
                }
                Vec::new()
            }
            Err(Aborted::Replaced) => self.route_again(shard, group),
            Err(Aborted::Failed(_)) if group.len() > 1 => {
                let each = group.drain(..);
                each.flat_map(|asked| self.make_in(shard, vec![asked]))
                    .collect()
            }
            Err(Aborted::Failed(failure)) => self.give_up_on(shard, group, &failure),
        }
    }

    fn give_up_on(&mut self, shard: &Shard, group: Vec<Asked>, failure: &Failure) -> Vec<Asked> {
        if failure.is_corruption() {
            shard.warn(failure);
            let creates = group.iter().any(|asked| asked.change.created().is_some());
            if creates && self.folder.set_aside(shard).unwrap_or_default() {
                self.forget_replaced();
                return group;
            }
        }
        for asked in group {
            answer(asked, Err(failure.clone()));
        }
        Vec::new()
    }

    fn route_again(&mut self, shard: &Shard, mut group: Vec<Asked>) -> Vec<Asked> {
        let replaced = self.folder.replaced(shard).map(drop);
        self.forget_replaced();
        for asked in &mut group {
            asked.attempts += 1;
        }
        let may_go_on = |asked: &mut Asked| replaced.is_ok() && asked.attempts < ATTEMPTS;
        let again = group.extract_if(.., may_go_on).collect();
        for asked in group {
            let failure = replaced.clone().err();
            answer(
                asked,
                Err(failure.unwrap_or_else(|| self.folder.restless())),
            );
        }
        again
    }

    fn try_in(&mut self, shard: &Arc<Shard>, group: &[Asked]) -> Result<Vec<Answer>, Aborted> {
        match self.try_once(shard, group) {
            Err(Aborted::Failed(failure)) if failure.is_disk_full() && group.len() == 1 => {
                if matches!(group[0].change, Change::Remove(..)) {
                    self.reserve.release();
                }
                // A log starts over when all of it is in the shard: that may give the room. Without it the
                // change fails, as it did.
                let _ = self.checkpoint();
                self.try_once(shard, group)
            }
            tried => tried,
        }
    }

    fn try_once(&mut self, shard: &Arc<Shard>, group: &[Asked]) -> Result<Vec<Answer>, Aborted> {
        let mut room = self.make_room(shard, group.iter().filter_map(|it| it.change.created()))?;
        let durability = group.iter().map(|asked| asked.durability).max();
        let durability = durability.unwrap_or(Durability::Crash);
        let answers = self.transaction(shard, durability, |connection| {
            let mut make = |asked: &Asked| asked.change.make(connection, &mut room);
            let answers = group.iter().map(&mut make).collect::<Result<Vec<_>, _>>();
            Ok(answers.map_err(Failure::at(shard.path(), "written"))?)
        })?;
        self.count(group.iter().map(|it| &it.change).zip(&answers));
        if group.iter().any(|asked| asked.change.created().is_some()) {
            self.split_if_full(shard);
        }
        Ok(answers)
    }

    fn count<'a>(&mut self, made: impl Iterator<Item = (&'a Change, &'a Answer)>) {
        for (change, answer) in made {
            match (change, answer) {
                (Change::Create(_), Answer::Made) => self.bounds.created(1),
                (Change::Remove(..), Answer::Made) => self.bounds.removed(1),
                _ => {}
            }
        }
    }

    pub(super) fn transaction<T>(
        &mut self,
        shard: &Arc<Shard>,
        durability: Durability,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T, Aborted>,
    ) -> Result<T, Aborted> {
        let done = self.writer(shard)?.transaction(shard, durability, work);
        if done.is_err() {
            // The next one has a connection of its own, in case the trouble was with this one.
            self.writers.retain(|(it, _)| !Arc::ptr_eq(it, shard));
        }
        done
    }

    pub(super) fn writer(&mut self, shard: &Arc<Shard>) -> Result<&mut ShardWriter, Aborted> {
        let known = self
            .writers
            .iter()
            .position(|(it, _)| Arc::ptr_eq(it, shard));
        let index = known.unwrap_or(self.writers.len());
        if known.is_none() {
            let writer = match ShardWriter::open(shard) {
                Err(_) if !shard.is_current() => return Err(Aborted::Replaced),
                opened => opened?,
            };
            self.writers.push((Arc::clone(shard), writer));
        }
        Ok(&mut self.writers[index].1)
    }

    /// Closes the shards that are not on the list any more.
    pub(super) fn forget_replaced(&mut self) {
        let shards = self.folder.shards();
        let is_listed = |shard: &Arc<Shard>| shards.all().iter().any(|it| Arc::ptr_eq(it, shard));
        self.writers.retain(|(shard, _)| is_listed(shard));
    }
}

/// Answers who asked. They may have gone by now.
fn answer(asked: Asked, answer: Result<Answer, Failure>) {
    let _ = asked.reply.send(answer);
}
