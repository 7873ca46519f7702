//! Who a session belongs to, and how long it lives.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::value::encode;
use super::{Expiry, IdChange, Session, SessionData, USER, data};
use crate::session::error::SessionError;

/// A time that no session reaches, for lifetimes that end after all clocks do.
const FAR: Duration = Duration::from_hours(1000 * 365 * 24);

impl SessionData {
    /// Who is logged in, of a session that an engine holds in its hands.
    pub fn user(&self) -> Option<String> {
        serde_json::from_slice(self.get(USER)?).ok()
    }
}

/// Identity and lifetime.
impl Session {
    /// Logs `user` in: the session gets a new id (what an attacker may have planted or seen is
    /// worth nothing) and remembers the user. What an anonymous visitor had stays; what another
    /// user had goes.
    pub async fn login(&self, user: impl fmt::Display) -> Result<(), SessionError> {
        let user = user.to_string();
        let before = self.user().await?;
        let inner = self.access().await?;
        {
            let mut state = inner.state();
            state.renew(IdChange::Login)?;
            if before.is_some_and(|before| before != user) {
                state.reset();
            }
            state.set_user(&encode(USER, &user)?, inner.engine.policy())?;
        }
        self.rotate_csrf_secret().await
    }

    /// Logs out: everything goes, the id dies, the cookie is removed. The same as
    /// [`flush`](Self::flush).
    pub async fn logout(&self) -> Result<(), SessionError> {
        self.flush().await
    }

    /// Ends the session. What is set afterwards begins another, with another id.
    pub async fn flush(&self) -> Result<(), SessionError> {
        self.access().await?.state().flush()
    }

    /// Gives the session a new id and keeps its data: call it wherever rights change.
    pub async fn cycle_id(&self) -> Result<(), SessionError> {
        self.access().await?.state().renew(IdChange::Renew)
    }

    /// Sets when this session ends: a `Duration` after each save, a `SystemTime`, with the browser,
    /// or [`Expiry::Default`].
    pub async fn set_expiry(&self, expiry: impl Into<Expiry>) -> Result<(), SessionError> {
        let inner = self.access().await?;
        let mut state = inner.state();
        match expiry.into().to_json() {
            Some(json) => state.set(data::EXPIRY, &json, inner.engine.policy()),
            None => state.remove(data::EXPIRY).map(drop),
        }
    }

    /// How long the session has left: if it was changed, from the coming save on.
    pub async fn expiry_age(&self) -> Result<Duration, SessionError> {
        let date = self.expiry_date().await?;
        let now = self.access().await?.engine.now();
        Ok(date.duration_since(now).unwrap_or_default())
    }

    /// When the session ends: if it was changed, counted from now as the coming save will.
    pub async fn expiry_date(&self) -> Result<SystemTime, SessionError> {
        let inner = self.access().await?;
        let state = inner.state();
        match &state.record {
            Some(record) if !state.is_dirty() => Ok(record.expires_at),
            _ => {
                let now = inner.engine.now();
                let age = state.data.expiry().lifetime(inner.engine.policy(), now).age;
                Ok(now.checked_add(age).unwrap_or(now + FAR))
            }
        }
    }
}
