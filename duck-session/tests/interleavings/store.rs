//! A store whose every operation is a step.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use duck::{Error, Result};
use duck_session::store::{
    Durability, Page, SessionKey, SessionStore, StoredSession, UserKey, Version,
};

use crate::scheduler::{Scheduler, Steps, actor};

/// What happened in the store, and who did it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) actor: usize,
    pub(crate) what: What,
    pub(crate) key: SessionKey,
    /// Whether it was to survive a power cut.
    pub(crate) is_durable: bool,
}

/// Only what succeeded is an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// It was asked for, and was there or not.
    Loaded,
    /// It was among the sessions of a user.
    Listed,
    Created,
    Replaced,
    Removed,
}

/// What goes wrong with a `replace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is done, and an error is reported.
    ErrorThoughDone,
    /// It is not done, and an error is reported.
    Error,
    /// The driver sends it once more, and reports the second answer.
    SentTwice,
}

#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) scheduler: Scheduler,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    sessions: HashMap<SessionKey, StoredSession>,
    events: Vec<Event>,
    /// The session of somebody beside the race: what is done to it is no step.
    bystander: Option<SessionKey>,
    /// Befalls the next `replace` of this actor.
    fault: Option<(usize, Fault)>,
}

impl Store {
    pub(crate) fn new(steps: Steps) -> Self {
        Self {
            scheduler: Scheduler::new(steps),
            state: Arc::default(),
        }
    }

    pub(crate) fn start(&self) {
        *self.state.lock().unwrap() = State::default();
    }

    pub(crate) fn set_bystander(&self, key: SessionKey) {
        self.state.lock().unwrap().bystander = Some(key);
    }

    pub(crate) fn set_fault(&self, actor: usize, fault: Fault) {
        self.state.lock().unwrap().fault = Some((actor, fault));
    }

    /// What the actors did since the start.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.state.lock().unwrap().events.clone()
    }

    pub(crate) fn keys(&self) -> Vec<SessionKey> {
        self.state
            .lock()
            .unwrap()
            .sessions
            .keys()
            .copied()
            .collect()
    }

    /// The version of a session; `None` where there is none.
    pub(crate) fn version(&self, key: &SessionKey) -> Option<Version> {
        let state = self.state.lock().unwrap();
        state.sessions.get(key).map(StoredSession::version)
    }

    fn is_bystander(&self, key: &SessionKey) -> bool {
        self.state.lock().unwrap().bystander.as_ref() == Some(key)
    }

    /// Does something as one step, and lets the actor hear of it in another one where steps are half.
    async fn step<T>(&self, key: Option<&SessionKey>, work: impl FnOnce(&mut State) -> T) -> T {
        let is_step = !key.is_some_and(|key| self.is_bystander(key));
        if is_step {
            self.scheduler.step().await;
        }
        let done = work(&mut self.state.lock().unwrap());
        if is_step {
            self.scheduler.half_step().await;
        }
        done
    }

    /// What goes wrong with this `replace` of the actor.
    fn take_fault(&self) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        let (of, fault) = state.fault?;
        if Some(of) != actor() {
            return None;
        }
        state.fault = None;
        Some(fault)
    }

    async fn replace_once(
        &self,
        expected: Version,
        session: &StoredSession,
        durability: Durability,
    ) -> bool {
        self.step(Some(session.key()), |state| {
            state.replace(expected, session, durability)
        })
        .await
    }
}

impl State {
    fn note(&mut self, what: What, key: &SessionKey, durability: Durability) {
        if let Some(actor) = actor() {
            self.events.push(Event {
                actor,
                what,
                key: *key,
                is_durable: durability == Durability::PowerCut,
            });
        }
    }

    fn replace(
        &mut self,
        expected: Version,
        session: &StoredSession,
        durability: Durability,
    ) -> bool {
        let stored = self.sessions.get(session.key());
        let replaces = stored.is_some_and(|stored| stored.version() == expected);
        if replaces {
            self.sessions.insert(*session.key(), session.clone());
            self.note(What::Replaced, session.key(), durability);
        }
        replaces
    }
}

impl SessionStore for Store {
    const SHARED: bool = true;

    async fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>> {
        let load = |state: &mut State| {
            state.note(What::Loaded, key, Durability::Crash);
            state.sessions.get(key).cloned()
        };
        Ok(self.step(Some(key), load).await)
    }

    async fn create(&self, session: &StoredSession, durability: Durability) -> Result<bool> {
        let create = |state: &mut State| {
            let is_free = !state.sessions.contains_key(session.key());
            if is_free {
                state.sessions.insert(*session.key(), session.clone());
                state.note(What::Created, session.key(), durability);
            }
            is_free
        };
        Ok(self.step(Some(session.key()), create).await)
    }

    async fn replace(
        &self,
        expected: Version,
        session: &StoredSession,
        durability: Durability,
    ) -> Result<bool> {
        let fault = self.take_fault();
        let replaced =
            fault != Some(Fault::Error) && self.replace_once(expected, session, durability).await;
        match fault {
            None => Ok(replaced),
            Some(Fault::SentTwice) => Ok(self.replace_once(expected, session, durability).await),
            Some(_) => Err(Error::internal("the connection broke")),
        }
    }

    async fn remove(
        &self,
        key: &SessionKey,
        expected: Option<Version>,
        durability: Durability,
    ) -> Result<bool> {
        let remove = |state: &mut State| {
            let is_meant = |stored: &StoredSession| {
                expected.is_none_or(|expected| stored.version() == expected)
            };
            let removes = state.sessions.get(key).is_some_and(is_meant);
            if removes {
                state.sessions.remove(key);
                state.note(What::Removed, key, durability);
            }
            removes
        };
        Ok(self.step(Some(key), remove).await)
    }

    async fn of_user(&self, user: &UserKey, _: usize) -> Result<Vec<StoredSession>> {
        let list = |state: &mut State| {
            let theirs: Vec<_> = state
                .sessions
                .values()
                .filter(|session| session.user() == Some(user))
                .cloned()
                .collect();
            for session in &theirs {
                state.note(What::Listed, session.key(), Durability::Crash);
            }
            theirs
        };
        Ok(self.step(None, list).await)
    }

    async fn remove_expired(&self, _: u64, _: usize) -> Result<usize> {
        Ok(0)
    }

    async fn page(&self, _: Option<&str>, _: usize) -> Result<Page> {
        unreachable!("nobody looks through the store")
    }

    async fn clear(&self) -> Result<()> {
        unreachable!("nobody clears the store")
    }
}
