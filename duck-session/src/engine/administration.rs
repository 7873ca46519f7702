//! What an administrator does with stored sessions while the site runs. It only reads, or replaces and removes
//! the version that was read: no visitor loses what a request is saving at that moment.

use std::fmt;

use duck::session::{Revoked, SessionError};
use duck::{BoxFuture, Result};

use super::StoreEngine;
use super::save::MOST_TRIES;
use crate::events::Event;
use crate::maintenance::Maintenance;
use crate::seal::key_id;
use crate::store::{Durability, OpenSession, SessionKey, SessionStore, StoredSession};

/// How many sessions are read together.
const PAGE: usize = 500;

/// Looks after what an engine has stored, whatever its store is.
pub(crate) trait Administration: Maintenance {
    /// Milliseconds since 1970, by the engine's clock.
    fn now(&self) -> u64;

    /// When a session ends if nobody comes any more.
    fn end_of(&self, session: &OpenSession) -> u64;

    /// Whether the store makes each change in one step for all processes.
    fn is_shared(&self) -> bool;

    /// Some of the sessions: see [`SessionStore::page`].
    fn page(&self, after: Option<String>) -> BoxFuture<'_, Result<InspectedPage>>;

    /// The sessions of a user that live, by the store's index of users.
    fn of_user<'a>(&'a self, user: &'a str) -> BoxFuture<'a, Result<Vec<OpenSession>>>;

    /// What is stored under a key.
    fn find<'a>(&'a self, key: &'a SessionKey) -> BoxFuture<'a, Result<Option<Inspected>>>;

    /// Ends a session, whatever is saved to it at the same time, and returns whether there was one.
    fn revoke<'a>(&'a self, key: &'a SessionKey) -> BoxFuture<'a, Result<bool>>;

    /// Ends the sessions of a user and returns how many.
    fn revoke_user<'a>(&'a self, user: &'a str) -> BoxFuture<'a, Result<usize>>;

    /// Removes a session if it is still the version that was read.
    fn discard<'a>(&'a self, stored: &'a StoredSession) -> BoxFuture<'a, Result<bool>>;

    /// Seals a session with the current key.
    fn reseal<'a>(&'a self, stored: &'a StoredSession) -> BoxFuture<'a, Result<Resealed>>;

    /// Stores a session of another store here, as it is; returns `false` where this version or a newer one is
    /// here already.
    fn adopt<'a>(&'a self, stored: &'a StoredSession) -> BoxFuture<'a, Result<bool>>;

    /// Removes everything.
    fn clear(&self) -> BoxFuture<'_, Result<()>>;
}

/// A stored session, and whether it can be read.
pub(crate) struct Inspected {
    pub(crate) stored: StoredSession,
    pub(crate) state: SessionState,
}

pub(crate) enum SessionState {
    Live(OpenSession),
    /// Nobody has removed it yet.
    Expired,
    Unreadable(Obstacle),
}

/// Why a stored session cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    Format,
    /// The key may come back.
    Key,
    Damage,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => "of a format that this version does not know",
            Self::Key => "sealed with a key that is not in the settings",
            Self::Damage => "damaged, or moved here from another place",
        })
    }
}

/// A part of what is stored.
pub(crate) struct InspectedPage {
    pub(crate) sessions: Vec<Inspected>,
    /// How many more the store could not read.
    pub(crate) unreadable: usize,
    pub(crate) next: Option<String>,
}

/// What became of a session that was to be sealed with the current key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resealed {
    Yes,
    /// It was sealed with it before.
    NotNeeded,
    /// It does not open with any key of the settings.
    Unreadable,
    /// It has ended.
    Gone,
}

impl<S: SessionStore> Administration for StoreEngine<S> {
    fn now(&self) -> u64 {
        self.clock.now()
    }

    fn end_of(&self, session: &OpenSession) -> u64 {
        self.lifetimes.end(session.header(), session.expires())
    }

    fn is_shared(&self) -> bool {
        S::SHARED
    }

    fn page(&self, after: Option<String>) -> BoxFuture<'_, Result<InspectedPage>> {
        Box::pin(async move {
            let page = self.store.page(after.as_deref(), PAGE).await?;
            let sessions = page.sessions.into_iter();
            #[cfg(feature = "tasks")]
            let sessions = sessions.filter(|stored| !super::leases::is_lease(stored));
            Ok(InspectedPage {
                sessions: sessions.map(|stored| self.inspect(stored)).collect(),
                unreadable: page.unreadable,
                next: page.next,
            })
        })
    }

    fn of_user<'a>(&'a self, user: &'a str) -> BoxFuture<'a, Result<Vec<OpenSession>>> {
        Box::pin(async move { Ok(self.live(user).await?) })
    }

    fn find<'a>(&'a self, key: &'a SessionKey) -> BoxFuture<'a, Result<Option<Inspected>>> {
        Box::pin(async move {
            let stored = self.store.load(key).await?;
            Ok(stored.map(|stored| self.inspect(stored)))
        })
    }

    fn revoke<'a>(&'a self, key: &'a SessionKey) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let revoked = self.remove(key, None, true).await?;
            if revoked {
                Event::Revoked.emit(Some(key));
            }
            Ok(revoked)
        })
    }

    fn revoke_user<'a>(&'a self, user: &'a str) -> BoxFuture<'a, Result<usize>> {
        Box::pin(async move { Ok(self.revoke_sessions(user, Revoked::All).await?) })
    }

    fn discard<'a>(&'a self, stored: &'a StoredSession) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let version = Some(stored.version());
            Ok(self.remove(stored.key(), version, false).await?)
        })
    }

    fn reseal<'a>(&'a self, stored: &'a StoredSession) -> BoxFuture<'a, Result<Resealed>> {
        Box::pin(self.seal_again(stored.clone()))
    }

    fn adopt<'a>(&'a self, stored: &'a StoredSession) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.copy_here(stored))
    }

    fn clear(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.store.clear().await?;
            self.store.flush().await
        })
    }
}

impl<S: SessionStore> StoreEngine<S> {
    fn inspect(&self, stored: StoredSession) -> Inspected {
        let is_past = stored.expires() <= self.clock.now();
        let state = match self.sealer.open(&stored) {
            Some(session) if !self.is_over(&session) => SessionState::Live(session),
            None if !is_past => SessionState::Unreadable(self.obstacle(&stored)),
            _ => SessionState::Expired,
        };
        Inspected { stored, state }
    }

    fn obstacle(&self, stored: &StoredSession) -> Obstacle {
        if key_id(stored.bytes()).is_none() {
            Obstacle::Format
        } else if self.sealer.has_key(stored.bytes()) {
            Obstacle::Damage
        } else {
            Obstacle::Key
        }
    }

    /// The seal and the version change, and what the store knows the user by: that depends on the key. Neither
    /// the data nor the end of the session do. A request that is saving the session finds a newer version, as
    /// after any other request.
    async fn seal_again(&self, mut stored: StoredSession) -> Result<Resealed> {
        if !S::SHARED {
            let why = "the storage cannot replace a session in one step for all processes: what the site saves at this moment could be lost";
            return Err(SessionError::Unsupported(why).into());
        }
        for _ in 0..MOST_TRIES {
            let Some(session) = self.sealer.open(&stored) else {
                return Ok(Resealed::Unreadable);
            };
            if self.is_over(&session) {
                return Ok(Resealed::Gone);
            }
            let mut next = session.next(session.data().clone());
            self.name_user_again(next.change());
            // A save seals with the current key, and leaves the user's key as it was.
            if self.sealer.is_current(stored.bytes()) && next.header().user() == stored.user() {
                return Ok(Resealed::NotNeeded);
            }
            let sealed = self.sealer.seal(&next)?;
            let replacing = self
                .store
                .replace(stored.version(), &sealed, Durability::Crash);
            if replacing.await? {
                return Ok(Resealed::Yes);
            }
            match self.store.load(stored.key()).await? {
                Some(newer) => stored = newer,
                None => return Ok(Resealed::Gone),
            }
        }
        Err(SessionError::Conflict.into())
    }

    /// It is neither opened nor sealed again, so that what cannot be read here is kept too.
    async fn copy_here(&self, stored: &StoredSession) -> Result<bool> {
        for _ in 0..MOST_TRIES {
            let copied = match self.store.load(stored.key()).await? {
                Some(there) if there.version().count >= stored.version().count => return Ok(false),
                Some(there) => {
                    let version = there.version();
                    self.store
                        .replace(version, stored, Durability::Crash)
                        .await?
                }
                None => self.store.create(stored, Durability::Crash).await?,
            };
            if copied {
                return Ok(true);
            }
        }
        Err(SessionError::Conflict.into())
    }
}
