//! What a session is bound to besides its cookie: the browser that began it, the password that was
//! good when its user logged in.

use data_encoding::BASE64URL_NOPAD;
use duck::Bytes;
use duck::session::{AuthHash, SessionData, SessionError, Visitor};
use sha2::{Digest, Sha256};

use crate::engine::breaker::store_error;
use crate::events::Warning;
use crate::log::Log;
use crate::opening::Opening;
use crate::settings::Bind;

/// Under these keys a session keeps them, as hashes.
const AGENT: &str = "_duck.agent";
const AUTH: &str = "_duck.auth";

/// What sessions are bound to, as the settings and the site ask for it.
pub(crate) struct Binding {
    bind: Bind,
    auth_hash: AuthHash,
    log: Log,
}

impl Binding {
    pub(crate) fn new(opening: &Opening<'_>) -> Self {
        Self {
            bind: opening.own.session_bind,
            auth_hash: opening.auth_hash.clone(),
            log: Log::default(),
        }
    }

    /// Binds a session that begins, or whose user logs in.
    pub(crate) async fn sign(
        &self,
        data: &mut SessionData,
        visitor: &Visitor,
    ) -> Result<(), SessionError> {
        if self.bind == Bind::Ua {
            data.set(AGENT, &agent(visitor));
        }
        if let Some(user) = self.bound_user(data) {
            match self.auth_hash.of(user).await.map_err(store_error)? {
                Some(hash) => data.set(AUTH, &hashed(&hash)),
                None => data.remove(AUTH).is_some(),
            };
        }
        Ok(())
    }

    /// Whether they are bound to anything.
    pub(crate) fn exists(&self) -> bool {
        self.bind != Bind::None || self.auth_hash.is_set()
    }

    /// Whether a session still holds for this visitor.
    pub(crate) async fn holds(
        &self,
        data: &SessionData,
        visitor: &Visitor,
    ) -> Result<bool, SessionError> {
        if self.bind == Bind::Ua && data.get(AGENT).is_some_and(|bound| bound != agent(visitor)) {
            Warning::OtherBrowser.emit(None, &self.log);
            return Ok(false);
        }
        let Some(user) = self.bound_user(data) else {
            return Ok(true);
        };
        let now = self.auth_hash.of(user).await.map_err(store_error)?;
        let holds = now.is_some_and(|hash| data.get(AUTH) == Some(&*hashed(&hash)));
        if !holds {
            Warning::AuthChanged.emit(None, &self.log);
        }
        Ok(holds)
    }

    /// The user of a session, if it is bound to something of theirs.
    fn bound_user(&self, data: &SessionData) -> Option<String> {
        data.user().filter(|_| self.auth_hash.is_set())
    }
}

/// What a browser calls itself, without its version: that changes under a session.
fn agent(visitor: &Visitor) -> Bytes {
    let name: String = visitor
        .agent()
        .unwrap_or_default()
        .chars()
        .filter(|letter| !letter.is_ascii_digit() && *letter != '.')
        .collect();
    hashed(&name)
}

/// Hashed, so that a comparison of two tells nothing of what they are made of.
fn hashed(text: &str) -> Bytes {
    format!("\"{}\"", BASE64URL_NOPAD.encode(&Sha256::digest(text))).into()
}
