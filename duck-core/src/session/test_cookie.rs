//! Whether a visitor's browser keeps cookies, under the names that Django has for it.

use bytes::Bytes;

use super::Session;
use crate::session::error::SessionError;

const TEST_COOKIE: &str = "_duck.test_cookie";

/// Whether the browser keeps cookies: set it on one page, see on the next.
impl Session {
    /// Puts something into the session, so that a session cookie is sent.
    pub async fn set_test_cookie(&self) -> Result<(), SessionError> {
        let inner = self.access().await?;
        let value = Bytes::from_static(b"true");
        inner.state().set(TEST_COOKIE, value, inner.engine.policy())
    }

    /// Whether the browser has brought back the cookie that an earlier page
    /// [set](Self::set_test_cookie).
    pub async fn test_cookie_worked(&self) -> Result<bool, SessionError> {
        let state = self.access().await?.state();
        Ok(!state.is_new() && state.data.get(TEST_COOKIE).is_some())
    }

    /// Takes it out again.
    pub async fn delete_test_cookie(&self) -> Result<(), SessionError> {
        self.access().await?.state().remove(TEST_COOKIE).map(drop)
    }
}
