use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tokio::sync::mpsc;

use super::count::Count;
use super::failure::Failure;
use super::folder::Folder;
use super::lock::FolderLock;
use super::place::Place;
use super::request::{Answer, Asked, Change};
use super::reserve::Reserve;
use super::rows;
use super::shard::Shard;
use super::transaction::{Aborted, ShardWriter};
use crate::store::Durability;
use crate::store::bounds::Bounds;

/// How many requests are taken at once: few enough that nobody waits long for the commit.
const MOST: usize = 256;

/// What the writer is asked.
pub(super) enum Request {
    Change(Asked),
    /// Anything else, which takes its turn among the changes.
    Work(Box<dyn FnOnce(&mut Writer) + Send>),
}

/// The one thread of the process that changes the shards. It commits all that waits for a shard in one
/// transaction.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) folder: Arc<Folder>,
    pub(super) shard_bytes: u64,
    pub(super) bounds: Bounds,
    pub(super) count: Count,
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
            count: Count::default(),
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
            match request {
                Request::Change(asked) => changes.push(asked),
                Request::Work(work) => {
                    self.make(std::mem::take(&mut changes));
                    work(self);
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
        let shard = shards.at(place).cloned();
        shard.ok_or_else(|| Failure::new("the shard that was made is gone"))
    }

    /// Makes changes in a shard; gives those that belong elsewhere by now. Where they fail together, each is
    /// tried by itself.
    fn make_in(&mut self, shard: &Arc<Shard>, group: Vec<Asked>) -> Vec<Asked> {
        let failure = match self.try_in(shard, &group) {
            Ok(answers) => {
                for (asked, made) in group.into_iter().zip(answers) {
                    answer(asked, Ok(made));
                }
                return Vec::new();
            }
            Err(Aborted::Failed(_)) if group.len() > 1 => {
                let each = group.into_iter();
                return each
                    .flat_map(|asked| self.make_in(shard, vec![asked]))
                    .collect();
            }
            Err(Aborted::Replaced) => match self.list_again(shard) {
                Ok(()) => return group,
                Err(failure) => failure,
            },
            Err(Aborted::Failed(failure)) => {
                let creates = group.iter().any(|asked| asked.change.created().is_some());
                if failure.is_corruption() && self.is_set_aside(shard, &failure, creates) {
                    return group;
                }
                failure
            }
        };
        for asked in group {
            answer(asked, Err(failure.clone()));
        }
        Vec::new()
    }

    /// Does what is to be done about a damaged shard, and returns whether there is another one in its place.
    fn is_set_aside(&mut self, shard: &Shard, failure: &Failure, creates: bool) -> bool {
        shard.warn(failure);
        let is_set_aside = creates && self.folder.set_aside(shard).unwrap_or_default();
        if is_set_aside {
            self.forget_replaced();
        }
        is_set_aside
    }

    /// Goes on with the shards that there are now, without one that is over.
    pub(super) fn list_again(&mut self, shard: &Shard) -> Result<(), Failure> {
        let listed = self.folder.replaced(shard).map(drop);
        self.forget_replaced();
        listed
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
        let creates = group.iter().any(|asked| asked.change.created().is_some());
        let (answers, pages) = self.transaction(shard, durability, |connection| {
            let answers = group
                .iter()
                .map(|asked| asked.change.make(connection, &mut room))
                .collect::<Result<Vec<_>, _>>();
            let pages = || creates.then(|| rows::pages(connection)).transpose();
            let done = answers.and_then(|answers| Ok((answers, pages()?)));
            Ok(done.map_err(Failure::at(shard.path(), "written"))?)
        })?;
        for (asked, answer) in group.iter().zip(&answers) {
            self.count.note(&asked.change, *answer);
        }
        if let Some(pages) = pages {
            self.split_if_full(shard, pages);
        }
        Ok(answers)
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
