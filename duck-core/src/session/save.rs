//! Saving a session, which the middleware does by itself.

use std::sync::atomic::Ordering;

use super::finish::Finish;
use super::state::Writing;
use super::{CookieChange, NowOrLater, Session};
use crate::session::error::SessionError;

/// Saving. The middleware does this by itself.
impl Session {
    /// Whether the visitor sent a cookie at all. This alone does not count as an access.
    pub fn is_present(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|inner| inner.visitor.sends_cookies())
    }

    /// Whether this request changed the session since it was last saved.
    pub fn modified(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|inner| inner.state().is_dirty())
    }

    /// Has the session saved, and its lifetime begin again, even if no value changed. `false` takes
    /// that back; changed values are saved all the same. Once the response has left it does nothing.
    pub fn set_modified(&self, modified: bool) {
        if let Some(inner) = &self.0 {
            inner.accessed.store(true, Ordering::Relaxed);
            let mut state = inner.state();
            state.forced = modified && state.writing == Writing::Open;
        }
    }

    /// Whether the session will be saved when the view has returned. Another name for
    /// [`modified`](Self::modified), from the Python Duck.
    pub fn needs_update(&self) -> bool {
        self.modified()
    }

    /// Saves now rather than after the view: before a slow request to another service, say. The
    /// response gets the cookie it needs all the same.
    ///
    /// Once the response has left there is nothing to save: changes are refused with
    /// [`SessionError::Committed`]. In the view of a WebSocket they are saved by this, and by nothing else: see
    /// [`websocket`](crate::live).
    ///
    /// # Errors
    ///
    /// When the storage fails. The request's changes are lost then, and so is its response: the
    /// visitor gets the error, whatever the view does with it.
    pub async fn save(&self) -> Result<(), SessionError> {
        self.access().await?;
        let Some(inner) = &self.0 else {
            return Err(SessionError::Missing);
        };
        if inner.state().is_quiet() && inner.turn.try_lock().is_some() {
            return Ok(());
        }
        Finish::new(Box::pin(inner.clone().save())).await
    }

    /// Closes the session of a request that did not ask for it, so that there is nothing to save: `false` where it
    /// did. For session layers.
    pub fn close_untouched(&self) -> bool {
        let Some(inner) = &self.0 else {
            return true;
        };
        if !self.is_accessed() {
            inner.close();
        }
        !self.is_accessed()
    }

    /// Saves for the last time and says what becomes of the cookie. For session middleware; a
    /// site has no need of it. Without `keep_data`, for a failed page, only logins, logouts and new
    /// ids are kept. What is set from now on is refused, with [`SessionError::Committed`].
    pub async fn finish(&self, keep_data: bool) -> Result<Option<CookieChange>, SessionError> {
        let Some(inner) = &self.0 else {
            return Ok(None);
        };
        let forced = inner.close() && keep_data;
        if !self.is_accessed() {
            return Ok(None);
        }
        if forced {
            inner.load().await?;
        }
        let _turn = inner.turn.lock().await;
        if inner.is_loaded() {
            inner.visitor.log_user(|| inner.state().data.user());
        }
        let later = match inner.last_commit(keep_data)? {
            NowOrLater::Now(commit) => return inner.end(commit),
            NowOrLater::Later(later) => later,
        };
        inner.end(Finish::new(later).await)
    }

    /// Has a logout of a view that was cut off hold: the client has gone, so the view goes on no more
    /// and nobody calls [`finish`](Self::finish). All else is as if the view had not run: of a new id
    /// the visitor would never hear. For session middleware.
    pub fn cut_off(&self) {
        let Some(inner) = &self.0 else { return };
        inner.close();
        if !inner.state().is_ending() {
            return;
        }
        let session = self.clone();
        drop(Finish::new(Box::pin(async move {
            if let Err(error) = session.finish(false).await {
                tracing::error!(target: "duck_session", %error, "a logout of a client that has gone failed");
            }
        })));
    }
}
