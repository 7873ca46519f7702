//! Which sessions a user has, and ending them.

use super::engine::Revoked;
use super::state::Writing;
use super::user_session::UserSession;
use super::{Inner, Session};
use crate::session::error::SessionError;

/// Sessions of a user. What is revoked is over for the next request, in every process that shares
/// the storage; what a request under way would save is not saved.
///
/// ```
/// # use duck::{Request, Response, Result, redirect, text};
/// async fn devices(request: Request) -> Result<Response> {
///     let mut page = String::new();
///     for session in request.session.sessions().await? {
///         let agent = session.agent.unwrap_or_default();
///         let here = if session.is_current { "here" } else { "" };
///         page += &format!("{} {agent} {here}\n", session.name);
///     }
///     Ok(text(page))
/// }
///
/// async fn log_out_device(request: Request, name: String) -> Result<Response> {
///     request.session.revoke(&name).await?; // one of this user's own, or nothing happens
///     redirect(&request, "devices", ())
/// }
///
/// async fn change_password(request: Request) -> Result<Response> {
///     // …
///     request.session.revoke_others().await?;
///     redirect(&request, "home", ())
/// }
/// ```
///
/// The cookie engine cannot do any of this: [`SessionError::Unsupported`].
impl Session {
    /// The sessions of the user who is logged in here, the newest first; none for nobody.
    pub async fn sessions(&self) -> Result<Vec<UserSession>, SessionError> {
        match self.user().await? {
            Some(user) => self.sessions_of(&user).await,
            None => Ok(Vec::new()),
        }
    }

    /// The sessions of any user, the newest first: for administrators.
    pub async fn sessions_of(&self, user: &str) -> Result<Vec<UserSession>, SessionError> {
        let inner = self.access().await?;
        let current = inner.state().record.clone();
        inner.engine.sessions_of(user, current.as_ref()).await
    }

    /// Ends the session of this [name](UserSession::name) if it is one of the user who is logged in
    /// here, and says whether it was. Nobody can end the sessions of others by guessing names.
    pub async fn revoke(&self, name: &str) -> Result<bool, SessionError> {
        let Some(user) = self.user().await? else {
            return Ok(false);
        };
        let inner = self.access_to_write().await?;
        let revoked = inner.engine.revoke(&user, Revoked::One(name)).await?;
        Ok(revoked > 0)
    }

    /// Ends all sessions of the user who is logged in here but this one, and says how many: after a
    /// new password.
    pub async fn revoke_others(&self) -> Result<usize, SessionError> {
        let Some(user) = self.user().await? else {
            return Ok(0);
        };
        let inner = self.access_to_write().await?;
        let current = inner.state().record.clone();
        let which = current.as_ref().map_or(Revoked::All, Revoked::AllBut);
        inner.engine.revoke(&user, which).await
    }

    /// Ends all sessions of any user, and says how many: an account that is closed, or taken over.
    pub async fn revoke_user(&self, user: &str) -> Result<usize, SessionError> {
        let inner = self.access_to_write().await?;
        inner.engine.revoke(user, Revoked::All).await
    }

    /// The session, loaded, where its storage can be written.
    async fn access_to_write(&self) -> Result<&Inner, SessionError> {
        let inner = self.access().await?;
        let unavailable = inner.state().writing == Writing::Unavailable;
        if unavailable {
            return Err(SessionError::store("the session storage does not answer"));
        }
        Ok(inner)
    }
}
