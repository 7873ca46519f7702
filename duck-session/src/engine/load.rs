use std::any::Any;

use bytes::Bytes;
use duck_core::{Loaded, NewCookie, Record, SessionData, SessionError, SessionId, Visitor};

use super::{CacheEngine, Opened, new_cookie, record};
use crate::cache::Cache;
use crate::header::Header;
use crate::seal::Handle;
use crate::settings::Conflict;

/// How many renewals in a row an old id is followed through, while there is grace.
pub(super) const MOST_MOVES: usize = 4;

/// What became of looking for one id.
enum LookedUp {
    Live(Box<Found>),
    /// Nowhere: the cookie can go.
    Dead,
    /// To a session that got another id: the browser may hold the newer cookie.
    Moved,
    /// Nowhere for now: the right key may come back.
    Unreadable,
}

/// A live session.
struct Found {
    record: Record,
    data: SessionData,
    /// For a visitor who came with the id before.
    cookie: Option<NewCookie>,
    hold: Option<Box<dyn Any + Send>>,
}

impl From<Found> for Loaded {
    fn from(found: Found) -> Self {
        let mut loaded = Self::live(found.record, found.data);
        loaded.cookie = found.cookie.map(Box::new);
        loaded.hold = found.hold;
        loaded
    }
}

impl<C: Cache> CacheEngine<C> {
    /// The session that a visitor's cookies lead to. Of several that are alive none is taken:
    /// one of them was planted, and nobody can tell which.
    pub(super) async fn find(&self, visitor: &Visitor) -> Result<Loaded, SessionError> {
        let mut found = None;
        let (mut dead, mut moved, mut unreadable) = (false, false, false);
        for id in self.cookie.candidates(visitor).iter() {
            match self.look_up(id, visitor).await? {
                LookedUp::Live(live) if found.is_none() => found = Some(live),
                LookedUp::Live(_) => {
                    tracing::warn!(target: "duck_session", event = "suspicious.duplicate_cookie", "two live sessions in one request: neither is used");
                    return Ok(Loaded::unread());
                }
                LookedUp::Dead => dead = true,
                LookedUp::Moved => moved = true,
                LookedUp::Unreadable => unreadable = true,
            }
        }
        Ok(match found {
            Some(found) => (*found).into(),
            None if unreadable && !moved => Loaded::unread(),
            None => Loaded::nothing(dead && !moved),
        })
    }

    async fn look_up(&self, sent: SessionId, visitor: &Visitor) -> Result<LookedUp, SessionError> {
        let mut id = sent;
        let mut hold = None;
        let mut moves = 0;
        while moves < MOST_MOVES {
            let handle = self.sealer.handle(&id);
            let Some(bytes) = self.fetch(&handle).await? else {
                return Ok(LookedUp::Dead);
            };
            match self.open(&handle, &bytes) {
                Opened::Live(..) if self.conflict == Conflict::Lock && hold.is_none() => {
                    // What is there may be another by the time it is this request's turn.
                    hold = Some(self.holds.take(&handle).await?);
                }
                Opened::Live(header, data) => {
                    if !self.bonds.hold(&data, visitor).await? {
                        return Ok(LookedUp::Dead);
                    }
                    let now = self.clock.now();
                    return Ok(LookedUp::Live(Box::new(Found {
                        record: record(id, bytes, &header),
                        data,
                        cookie: (id != sent).then(|| new_cookie(id, &header, now)),
                        hold,
                    })));
                }
                Opened::Dead => {
                    self.bury_dead(&handle, &bytes).await;
                    return Ok(LookedUp::Dead);
                }
                Opened::Moved(tombstone) => {
                    let Some(next) = tombstone.next(&id, &self.sealer, self.clock.now()) else {
                        tracing::warn!(target: "duck_session", event = "suspicious.replayed_old_id", session = %handle, "an id came that its session has given up");
                        return Ok(LookedUp::Moved);
                    };
                    (id, hold) = (next, None);
                    moves += 1;
                }
                Opened::Unreadable => {
                    tracing::warn!(target: "duck_session", session = %handle, "a session cannot be opened: another SECRET_KEY, or damage");
                    return Ok(LookedUp::Unreadable);
                }
            }
        }
        Ok(LookedUp::Moved)
    }

    /// What was seen dead does not come back when the clock is set back: rule 67. A record that is not
    /// ours is left alone, whatever it says of its end.
    async fn bury_dead(&self, handle: &Handle, seen: &Bytes) {
        let header = Header::read(seen);
        let opened = header.and_then(|header| self.sealer.open(handle.as_bytes(), &header, seen));
        if opened.is_none() {
            return;
        }
        tracing::info!(target: "duck_session", session = %handle, "a session has expired");
        if let Err(error) = self.swap_out(handle, seen).await {
            tracing::debug!(target: "duck_session", %error, "an expired session is left for the sweep");
        }
    }
}
