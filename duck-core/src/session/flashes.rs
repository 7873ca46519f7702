//! Messages for the visitor, from one request to the page that shows them.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use super::changes::Taken;
use super::finish::Finish;
use super::flash::{Flash, FlashLevel};
use super::{Commit, Inner, Session};
use crate::session::error::SessionError;

/// Under this key a session keeps messages that no page has shown.
const FLASHES: &str = "_duck.flashes";

/// Of a visitor who never looks, so many of the last messages are kept.
const MOST: usize = 50;

/// Messages as a session keeps them. What another version of the site wrote and this one cannot
/// read is left out.
#[derive(Default, Serialize)]
struct Queue(Vec<Flash>);

impl<'de> Deserialize<'de> for Queue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::<serde_json::Value>::deserialize(deserializer)?;
        let known = values
            .into_iter()
            .filter_map(|value| serde_json::from_value(value).ok());
        Ok(Self(known.collect()))
    }
}

impl Queue {
    fn cut(&mut self) {
        let over = self.0.len().saturating_sub(MOST);
        self.0.drain(..over);
    }
}

/// Messages.
impl Session {
    /// Leaves a message for the next page that asks for messages with [`flashes`](Self::flashes):
    /// after a redirect, say, or on this very page.
    ///
    /// ```
    /// # use duck::{Request, Response, Result, redirect_to};
    /// use duck::session::FlashLevel::Success;
    ///
    /// async fn save(request: Request) -> Result<Response> {
    ///     request.session.flash(Success, "Saved.").await?;
    ///     redirect_to("/")
    /// }
    /// ```
    ///
    /// The session keeps the last fifty.
    ///
    /// # Errors
    ///
    /// [`SessionError::TooLarge`] when the session would pass `SESSION_MAX_BYTES`.
    pub async fn flash(
        &self,
        level: FlashLevel,
        message: impl Into<String>,
    ) -> Result<(), SessionError> {
        let message = message.into();
        let flash = Flash { level, message };
        let add = move |queue: &mut Queue| {
            queue.0.push(flash.clone());
            queue.cut();
        };
        self.access().await?.update(FLASHES, add).map(drop)
    }

    /// Adds a message to those that [`flashes`](Self::flashes) gives in this request. The session
    /// does not keep it.
    pub async fn flash_now(
        &self,
        level: FlashLevel,
        message: impl Into<String>,
    ) -> Result<(), SessionError> {
        let message = message.into();
        let mut state = self.access().await?.state();
        state.flashes.now.push(Flash { level, message });
        Ok(())
    }

    /// Takes the messages out of the session, to show them: those that earlier requests left, then
    /// those of this one.
    ///
    /// Each is given once. Where there are messages of earlier requests the session is written
    /// before they are given, so of two requests that ask at the same moment one gets them and the
    /// other nothing. They are used up even if the page then fails.
    ///
    /// # Errors
    ///
    /// When the storage fails; as with [`save`](Self::save) the visitor gets the error then. And
    /// [`SessionError::Committed`] once the response has left.
    pub async fn flashes(&self) -> Result<Vec<Flash>, SessionError> {
        let any = self.access().await?.state().data.get(FLASHES).is_some();
        let Some(inner) = &self.0 else {
            return Err(SessionError::Missing);
        };
        let mut flashes = Vec::new();
        if any {
            flashes = Finish::new(Box::pin(inner.clone().take_flashes())).await?;
        }
        let mut state = inner.state();
        state.flashes.shown.extend_from_slice(&flashes);
        flashes.append(&mut state.flashes.now);
        Ok(flashes)
    }

    /// Leaves the messages that this request has taken out for the next page too: where it shows
    /// none, for it redirects.
    pub async fn keep_flashes(&self) -> Result<(), SessionError> {
        let inner = self.access().await?;
        let kept = std::mem::take(&mut inner.state().flashes.shown);
        if kept.is_empty() {
            return Ok(());
        }
        let put_back = move |queue: &mut Queue| {
            queue.0.splice(..0, kept.iter().cloned());
            queue.cut();
        };
        inner.update(FLASHES, put_back).map(drop)
    }
}

impl Inner {
    async fn take_flashes(self: Arc<Self>) -> Result<Vec<Flash>, SessionError> {
        let _turn = self.turn.lock().await;
        let taken = Taken::default();
        let changes = self.state().take_out(FLASHES, &taken)?;
        if let Some(changes) = changes {
            let commit = self.commit(changes).get().await;
            let is_ours = matches!(commit, Ok(Commit::Saved { .. }));
            self.state().note(commit)?;
            if !is_ours {
                return Ok(Vec::new()); // the session is over
            }
        }
        let json = taken.into_value().unwrap_or_default();
        let queue: Queue = serde_json::from_slice(&json).unwrap_or_default();
        Ok(queue.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_another_version_is_left_out() {
        let json = r#"[{"level":"info","message":"a"},{"level":"loud","message":"b"},7]"#;
        let queue: Queue = serde_json::from_str(json).unwrap();
        let messages: Vec<_> = queue.0.iter().map(|flash| &*flash.message).collect();
        assert_eq!(messages, ["a"]);
    }
}
