use duck_core::{Loaded, Record, SessionData, SessionError, SessionId, Visitor};

use super::{CacheEngine, Opened, record};
use crate::cache::Cache;

impl<C: Cache> CacheEngine<C> {
    /// The session that a visitor's cookies lead to. Of several that are alive none is taken:
    /// one of them was planted, and nobody can tell which.
    pub(super) async fn find(&self, visitor: &Visitor) -> Result<Loaded, SessionError> {
        let mut found = None;
        let (mut dead, mut moved, mut unreadable) = (false, false, false);
        for id in self.cookie.candidates(visitor).iter() {
            match self.look_up(&id).await? {
                LookedUp::Live(record, data) if found.is_none() => {
                    found = Some(Loaded::live(record, data));
                }
                LookedUp::Live(..) => {
                    tracing::warn!(target: "duck_session", "two live sessions in one request: neither is used");
                    return Ok(Loaded::unread());
                }
                LookedUp::Dead => dead = true,
                LookedUp::Moved => moved = true,
                LookedUp::Unreadable => unreadable = true,
            }
        }
        let nothing = || {
            if unreadable && !moved {
                Loaded::unread()
            } else {
                Loaded::nothing(dead && !moved)
            }
        };
        Ok(found.unwrap_or_else(nothing))
    }

    async fn look_up(&self, id: &SessionId) -> Result<LookedUp, SessionError> {
        let handle = self.sealer.handle(id);
        let Some(bytes) = self.fetch(&handle).await? else {
            return Ok(LookedUp::Dead);
        };
        Ok(match self.open(&handle, &bytes) {
            Opened::Live(header, data) => LookedUp::Live(record(*id, bytes, &header), data),
            Opened::Dead => LookedUp::Dead,
            Opened::Moved(_) => {
                tracing::warn!(target: "duck_session", "an id came that its session has given up: replayed_old_id");
                LookedUp::Moved
            }
            Opened::Unreadable => {
                tracing::warn!(target: "duck_session", "a session cannot be opened: another SECRET_KEY, or damage");
                LookedUp::Unreadable
            }
        })
    }
}

/// Where one id leads.
enum LookedUp {
    Live(Record, SessionData),
    /// Nowhere: the cookie can go.
    Dead,
    /// To a session that got another id: the browser may hold the newer cookie.
    Moved,
    /// Nowhere for now: the right key may come back.
    Unreadable,
}
