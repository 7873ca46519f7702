//! What forms prove with that they come from this site, where `CSRF_TOKENS` is set.

use data_encoding::BASE64URL_NOPAD;

use super::Session;
use super::data::CSRF_SECRET;
use super::state::State;
use super::value::encode;
use crate::session::error::SessionError;

/// What all tokens of a session hide: 256 random bits.
pub(crate) type Secret = [u8; 32];

impl Session {
    /// The secret, made if there is none: so a visitor without a session gets one.
    pub(crate) async fn csrf_secret(&self) -> Result<Secret, SessionError> {
        let inner = self.access().await?;
        let mut state = inner.state();
        if let Some(secret) = secret_of(&state) {
            return Ok(secret);
        }
        let secret = generate()?;
        let json = encode(CSRF_SECRET, &BASE64URL_NOPAD.encode(&secret))?;
        state.set(CSRF_SECRET, &json, inner.engine.policy())?;
        Ok(secret)
    }

    /// The secret, if a page was given one.
    pub(crate) async fn known_csrf_secret(&self) -> Result<Option<Secret>, SessionError> {
        Ok(secret_of(&self.access().await?.state()))
    }

    /// Another secret for whoever logs in: somebody may have seen or planted the one before.
    pub(super) async fn rotate_csrf_secret(&self) -> Result<(), SessionError> {
        if self.access().await?.state().remove(CSRF_SECRET)? {
            self.csrf_secret().await?;
        }
        Ok(())
    }
}

fn secret_of(state: &State) -> Option<Secret> {
    let text: &str = serde_json::from_slice(state.data.get(CSRF_SECRET)?).ok()?;
    let secret = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    secret.try_into().ok()
}

fn generate() -> Result<Secret, SessionError> {
    let mut secret = Secret::default();
    getrandom::fill(&mut secret).map_err(SessionError::store)?;
    Ok(secret)
}
