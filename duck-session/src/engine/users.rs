//! Which sessions a user has, and ending them.

use duck::session::{Record, Revoked, SessionError, UserSession};

use super::save::MOST_TRIES;
use super::{Operation, StoreEngine, seen};
use crate::clock;
use crate::events::Event;
use crate::seal::name_of;
use crate::settings::OnLimit;
use crate::store::{OpenSession, SessionKey, SessionStore, UserKey};

/// How many sessions of a user are looked at together, at least.
const AT_ONCE: usize = 1000;

impl<S: SessionStore> StoreEngine<S> {
    /// Keeps a user to `SESSION_MAX_SESSIONS_PER_USER`, before one more begins, or `session` becomes theirs.
    pub(super) async fn make_room(
        &self,
        user: &str,
        session: Option<&OpenSession>,
    ) -> Result<(), SessionError> {
        if self.most_per_user == 0 {
            return Ok(());
        }
        let mut others = self.live(user).await?;
        others.retain(|other| session.is_none_or(|session| other.key() != session.key()));
        if others.len() < self.most_per_user {
            return Ok(());
        }
        if self.on_limit == OnLimit::Refuse {
            return Err(SessionError::TooMany);
        }
        others.sort_by_key(|other| other.header().touched);
        let over = others.len() + 1 - self.most_per_user;
        for other in &others[..over] {
            if self.revoke(user, other).await? {
                Event::MadeRoom.emit(Some(other.key()));
            }
        }
        Ok(())
    }

    pub(super) async fn list_sessions(
        &self,
        user: &str,
        current: Option<&Record>,
    ) -> Result<Vec<UserSession>, SessionError> {
        let current = key_of(current)?;
        let mut live = self.live(user).await?;
        live.sort_by_key(|session| std::cmp::Reverse(session.header().logged_in()));
        let show = |session: OpenSession| {
            let header = session.header();
            let name = name_of(session.key());
            let mut shown = UserSession::new(name, clock::time(header.created));
            shown.logged_in = clock::time(header.logged_in());
            shown.last_seen = clock::time(header.touched);
            let agent = header.login.as_ref().and_then(|login| login.agent.clone());
            shown.agent = agent.map(String::from);
            shown.is_current = Some(session.key()) == current.as_ref();
            shown
        };
        Ok(live.into_iter().map(show).collect())
    }

    /// Ends sessions of a user and returns how many.
    pub(super) async fn revoke_sessions(
        &self,
        user: &str,
        which: Revoked<'_>,
    ) -> Result<usize, SessionError> {
        let kept = match which {
            Revoked::AllBut(record) => key_of(Some(record))?,
            _ => None,
        };
        let is_meant = |session: &OpenSession| match which {
            Revoked::One(name) => name_of(session.key()) == name,
            _ => Some(session.key()) != kept.as_ref(),
        };
        let mut count = 0;
        loop {
            let live = self.live(user).await?;
            let mut revoked = 0;
            for session in live.iter().filter(|session| is_meant(session)) {
                if self.revoke(user, session).await? {
                    Event::Revoked.emit(Some(session.key()));
                    revoked += 1;
                }
            }
            count += revoked;
            // Of a user with very many sessions, not all were looked at together.
            if revoked == 0 || live.len() < self.most_at_once() {
                return Ok(count);
            }
        }
    }

    /// Ends a session as long as it is this user's, whatever is saved to it at the same time.
    async fn revoke(&self, user: &str, session: &OpenSession) -> Result<bool, SessionError> {
        let mut seen = session.clone();
        for _ in 0..MOST_TRIES {
            if self.remove(seen.key(), Some(seen.version()), true).await? {
                return Ok(true);
            }
            match self.fetch_live(seen.key()).await? {
                Some(newer) if newer.data().user().as_deref() == Some(user) => seen = newer,
                _ => return Ok(false),
            }
        }
        Err(SessionError::Conflict)
    }

    /// The sessions of a user that live; [so many](Self::most_at_once) at least, where there are more.
    pub(super) async fn live(&self, user: &str) -> Result<Vec<OpenSession>, SessionError> {
        let mut live: Vec<OpenSession> = Vec::new();
        for key in self.sealer.user_keys(user) {
            let mut theirs = self.live_under(&key).await?;
            // After a change of the key they may be found under both.
            theirs.retain(|session| live.iter().all(|other| other.key() != session.key()));
            live.append(&mut theirs);
        }
        live.retain(|session| session.data().user().as_deref() == Some(user));
        Ok(live)
    }

    /// The sessions in the store's index of a user that live. Expired ones that take up the room of others there are
    /// removed.
    async fn live_under(&self, user: &UserKey) -> Result<Vec<OpenSession>, SessionError> {
        loop {
            let finding = self.store.of_user(user, self.most_at_once());
            let found = self.within(Operation::Read, finding).await?;
            let is_cut = found.len() >= self.most_at_once();
            let opened = found.iter().filter_map(|stored| self.sealer.open(stored));
            let (over, live): (Vec<_>, Vec<_>) = opened.partition(|session| self.is_over(session));
            let mut removed = false;
            for session in over.iter().filter(|_| is_cut) {
                removed |= self
                    .remove(session.key(), Some(session.version()), false)
                    .await?;
            }
            if !removed {
                return Ok(live);
            }
        }
    }

    /// How many sessions of a user are looked at together.
    fn most_at_once(&self) -> usize {
        AT_ONCE.max(self.most_per_user.saturating_add(1))
    }
}

fn key_of(record: Option<&Record>) -> Result<Option<SessionKey>, SessionError> {
    record.map(|record| Ok(*seen(record)?.1.key())).transpose()
}
