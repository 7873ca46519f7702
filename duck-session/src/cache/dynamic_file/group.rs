use std::hash::{BuildHasher, RandomState};
use std::slice;

use super::entries;
use super::expiry::Instant;
use super::failure::Failure;
use super::lane::Lane;
use super::lock::Locked;
use super::operation::{self, Answer, Change, Reply, Request, Task};
use super::writer::Writer;

/// Changes of different keys that are committed together, and where to answer each.
///
/// Each key is in it once, so that no change builds on another one that may yet fail.
#[derive(Debug, Default)]
pub(super) struct Group {
    changes: Vec<Change>,
    replies: Vec<Reply>,
    keys: Vec<u64>,
    hasher: RandomState,
}

impl Group {
    /// Takes the change in, unless one of the same key may be in the group already.
    pub(super) fn admit(&mut self, change: Change, reply: Reply) -> Result<(), (Change, Reply)> {
        let key = self.hasher.hash_one(&change.key);
        if self.keys.contains(&key) {
            return Err((change, reply));
        }
        self.keys.push(key);
        self.changes.push(change);
        self.replies.push(reply);
        Ok(())
    }

    /// Makes the changes and answers, which leaves the group empty.
    pub(super) fn commit(&mut self, writer: &mut Writer) {
        if self.changes.is_empty() {
            return;
        }
        self.keys.clear();
        let answers = writer.make(&self.changes);
        self.changes.clear();
        for (reply, answer) in self.replies.drain(..).zip(answers) {
            operation::answer(reply, answer);
        }
    }
}

/// What became of a change, and the shard that has to be committed for it to stand.
struct Outcome {
    answer: Answer,
    shard: Option<u32>,
}

impl Outcome {
    const REFUSED: Self = Self {
        answer: Ok(0),
        shard: None,
    };

    fn made(lane: &Lane) -> Self {
        Self {
            answer: Ok(1),
            shard: Some(lane.number()),
        }
    }
}

impl From<Result<Self, Failure>> for Outcome {
    fn from(result: Result<Self, Failure>) -> Self {
        result.unwrap_or_else(|failure| Self {
            answer: Err(failure),
            shard: None,
        })
    }
}

/// A group on its way through the shards.
struct Passage<'a> {
    writer: &'a mut Writer,
    lock: &'a Locked,
    durable: bool,
    now: Instant,
}

impl Writer {
    pub(super) fn serve(&mut self, requests: impl Iterator<Item = Request>) {
        let mut group = Group::default();
        for request in requests {
            match request {
                Request::Change(change, reply) => self.gather(&mut group, change, reply),
                Request::Task(task, reply) => {
                    group.commit(self);
                    operation::answer(reply, self.carry_out(task));
                }
                Request::Sweep(wanted, reply) => {
                    group.commit(self);
                    operation::answer(reply, self.sweep(wanted));
                }
            }
        }
        group.commit(self);
    }

    fn gather(&mut self, group: &mut Group, change: Change, reply: Reply) {
        if let Err((change, reply)) = group.admit(change, reply) {
            group.commit(self);
            // An empty group admits whatever comes.
            let _ = group.admit(change, reply);
        }
    }

    /// Makes `changes`, of different keys, in one transaction per shard. Where the disk is full,
    /// each is tried again by itself.
    pub(super) fn make(&mut self, changes: &[Change]) -> Vec<Answer> {
        let mut answers = self.make_together(changes);
        for (answer, change) in answers.iter_mut().zip(changes) {
            if matches!(answer, Err(failure) if failure.is_disk_full()) {
                *answer = self.make_on_full_disk(change);
            }
        }
        answers
    }

    /// Has the logs start over, which gives room for small changes; removals get the reserve too.
    fn make_on_full_disk(&mut self, change: &Change) -> Answer {
        if change.new.is_none() {
            self.reserve.release();
        }
        // Without more room the change fails, as it would have.
        let _ = self.carry_out(Task::Checkpoint);
        self.make_alone(change)
    }

    fn make_alone(&mut self, change: &Change) -> Answer {
        let answer = self.make_together(slice::from_ref(change)).pop();
        answer.unwrap_or_else(|| Err(Failure::new("the change got no answer")))
    }

    fn make_together(&mut self, changes: &[Change]) -> Vec<Answer> {
        match self.enter() {
            Ok(lock) => self.make_locked(changes, &lock),
            Err(failure) => changes.iter().map(|_| Err(failure.clone())).collect(),
        }
    }

    fn make_locked(&mut self, changes: &[Change], lock: &Locked) -> Vec<Answer> {
        let mut passage = Passage {
            now: self.now(),
            writer: self,
            lock,
            durable: changes.iter().any(Change::is_durable),
        };
        let outcomes: Vec<Outcome> = changes
            .iter()
            .map(|change| passage.change(change).into())
            .collect();
        let failed = self.commit_all();
        if changes.iter().any(|change| change.new.is_none()) {
            self.remove_emptied(lock);
        }
        outcomes
            .into_iter()
            .map(|outcome| settle(outcome, &failed))
            .collect()
    }
}

/// The answer once it is known which shards could not be committed.
fn settle(outcome: Outcome, failed: &[(u32, Failure)]) -> Answer {
    let failure = failed
        .iter()
        .find(|(shard, _)| outcome.shard == Some(*shard));
    failure.map_or(outcome.answer, |(_, failure)| Err(failure.clone()))
}

impl Passage<'_> {
    fn change(&mut self, change: &Change) -> Result<Outcome, Failure> {
        match self.find(change)? {
            Some((_, held)) if !held.agrees => Ok(Outcome::REFUSED),
            Some((lane, held)) => self.replace(lane, held, change),
            None if !change.condition.holds(None) => Ok(Outcome::REFUSED),
            None => self.create(change),
        }
    }

    /// The lane that holds the key. A corrupt shard is passed over where the key is to be stored
    /// anew; otherwise nobody knows that the key is not in it.
    fn find(&mut self, change: &Change) -> Result<Option<(usize, entries::Held)>, Failure> {
        let now = self.now.max(change.asked);
        let mut unreadable = None;
        for (index, lane) in self.writer.lanes.iter_mut().enumerate() {
            let found = lane.run(self.durable, |connection| {
                entries::find(connection, &change.key, &change.condition, now)
            });
            match found {
                Ok(Some(held)) => return Ok(Some((index, held))),
                Ok(None) => {}
                Err(failure) if failure.is_corruption() && !lane.is_undone() => {
                    unreadable = Some(failure);
                }
                Err(failure) => return Err(failure),
            }
        }
        let is_creation = change.new.is_some() && change.condition.holds(None);
        match unreadable {
            Some(failure) if !is_creation => Err(failure),
            _ => Ok(None),
        }
    }

    fn replace(
        &mut self,
        lane: usize,
        held: entries::Held,
        change: &Change,
    ) -> Result<Outcome, Failure> {
        let lane = &mut self.writer.lanes[lane];
        lane.run(self.durable, |connection| match &change.new {
            Some(new) => entries::update(connection, held, new),
            None => entries::delete(connection, held),
        })?;
        Ok(Outcome::made(lane))
    }

    fn create(&mut self, change: &Change) -> Result<Outcome, Failure> {
        let Some(new) = &change.new else {
            return Ok(Outcome {
                answer: Ok(1),
                shard: None,
            });
        };
        let index = self.lane_with_room()?;
        let lane = &mut self.writer.lanes[index];
        lane.run(self.durable, |connection| {
            entries::insert(connection, &change.key, new)
        })?;
        Ok(Outcome::made(lane))
    }

    /// The newest shard that has room; where none has, a new one.
    fn lane_with_room(&mut self) -> Result<usize, Failure> {
        let most = self.writer.shard_bytes;
        for (index, lane) in self.writer.lanes.iter_mut().enumerate() {
            match lane.run(self.durable, |connection| {
                entries::has_room(connection, most)
            }) {
                Ok(true) => return Ok(index),
                Err(failure) if !failure.is_corruption() => return Err(failure),
                _ => {}
            }
        }
        self.writer.add_shard(self.lock)?;
        Ok(0)
    }
}
