//! Which sessions a user has, and ending them.

use duck::session::{Record, Revoked, SessionError, UserSession};

use super::{Operation, StoreEngine, seen};
use crate::clock;
use crate::events::Event;
use crate::seal::name_of;
use crate::settings::OnLimit;
use crate::store::{OpenSession, SessionKey, SessionStore};

/// How many sessions of a user are looked at together, where `SESSION_MAX_SESSIONS_PER_USER` is not more.
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
            let name = name_of(session.key()).to_string();
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
            Revoked::One(name) => name_of(session.key()).to_string() == name,
            _ => Some(session.key()) != kept.as_ref(),
        };
        let mut count = 0;
        loop {
            let mut revoked = 0;
            for session in self
                .live(user)
                .await?
                .iter()
                .filter(|session| is_meant(session))
            {
                if self.revoke(user, session).await? {
                    Event::Revoked.emit(Some(session.key()));
                    revoked += 1;
                }
            }
            count += revoked;
            // Of a user with very many sessions, not all were looked at together.
            if revoked < AT_ONCE / 2 {
                return Ok(count);
            }
        }
    }

    /// Ends a session as long as it is this user's, whatever is saved to it at the same time.
    async fn revoke(&self, user: &str, session: &OpenSession) -> Result<bool, SessionError> {
        let mut seen = session.clone();
        loop {
            if self.remove(seen.key(), Some(seen.version()), true).await? {
                return Ok(true);
            }
            match self.fetch_live(seen.key()).await? {
                Some(newer) if newer.data().user().as_deref() == Some(user) => seen = newer,
                _ => return Ok(false),
            }
        }
    }

    /// The sessions of a user that live.
    pub(super) async fn live(&self, user: &str) -> Result<Vec<OpenSession>, SessionError> {
        let limit = AT_ONCE.max(self.most_per_user.saturating_add(1));
        let mut live: Vec<OpenSession> = Vec::new();
        for key in self.sealer.user_keys(user) {
            let finding = self.store.of_user(&key, limit);
            for stored in self.within(Operation::Read, finding).await? {
                let Some(session) = self.sealer.open(&stored) else {
                    continue;
                };
                // After a change of the key it may be found under both.
                let is_new = live.iter().all(|other| other.key() != session.key());
                let is_theirs = session.data().user().as_deref() == Some(user);
                if is_new && is_theirs && !self.is_over(&session) {
                    live.push(session);
                }
            }
        }
        Ok(live)
    }
}

fn key_of(record: Option<&Record>) -> Result<Option<SessionKey>, SessionError> {
    record.map(|record| Ok(*seen(record)?.1.key())).transpose()
}
