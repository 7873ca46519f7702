use std::any::Any;

use bytes::Bytes;
use duck::session::{Loaded, NewCookie, Record, SessionData, SessionError, SessionId, Visitor};

use super::{CacheEngine, Opened, new_cookie, record};
use crate::cache::Cache;
use crate::journal::Event;
use crate::seal::Handle;
use crate::settings::Conflict;

/// How many renewals in a row an old id is followed through, while there is grace.
pub(super) const MOST_MOVES: usize = 4;

/// What became of looking for one id.
enum LookedUp {
    Live(Found),
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
    cookie: Option<Box<NewCookie>>,
    hold: Option<Box<dyn Any + Send>>,
}

impl From<Found> for Loaded {
    fn from(found: Found) -> Self {
        let mut loaded = Self::live(found.record, found.data);
        loaded.cookie = found.cookie;
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
        Event::Loaded.tell(None);
        let candidates = self.cookie.candidates(visitor);
        if candidates.malformed {
            Event::Malformed.tell(None);
        }
        for id in candidates.iter() {
            match self.look_up(&id, visitor).await? {
                LookedUp::Live(live) if found.is_none() => found = Some(live),
                LookedUp::Live(_) => {
                    Event::DuplicateCookie.tell(None);
                    return Ok(Loaded::unread());
                }
                LookedUp::Dead => dead = true,
                LookedUp::Moved => moved = true,
                LookedUp::Unreadable => unreadable = true,
            }
        }
        Ok(match found {
            Some(found) => found.into(),
            None if unreadable && !moved => Loaded::unread(),
            None => Loaded::nothing(dead && !moved),
        })
    }

    async fn look_up(&self, id: &SessionId, visitor: &Visitor) -> Result<LookedUp, SessionError> {
        let handle = self.sealer.handle(id);
        let Some(bytes) = self.fetch(&handle).await? else {
            Event::Unknown.tell(None);
            return Ok(LookedUp::Dead);
        };
        match self.open(&handle, &bytes) {
            Opened::Live(header, data)
                if self.conflict != Conflict::Lock && !self.bonds.exist() =>
            {
                Ok(LookedUp::Live(Found {
                    record: record(*id, bytes, &header),
                    data,
                    cookie: None,
                    hold: None,
                }))
            }
            // Boxed, as all that is rare: what every load moves about stays small.
            opened => Box::pin(self.look_closer(*id, bytes, opened, visitor)).await,
        }
    }

    /// What there is to a record besides that it is alive.
    async fn look_closer(
        &self,
        sent: SessionId,
        mut bytes: Bytes,
        mut opened: Opened,
        visitor: &Visitor,
    ) -> Result<LookedUp, SessionError> {
        let mut id = sent;
        let mut hold = None;
        let mut moves = 0;
        loop {
            let handle = self.sealer.handle(&id);
            match opened {
                Opened::Live(..) if self.conflict == Conflict::Lock && hold.is_none() => {
                    // What is there may be another by the time it is this request's turn.
                    hold = Some(self.holds.take(&handle).await?);
                }
                Opened::Live(header, data) => {
                    if !self.bonds.hold(&data, visitor).await? {
                        return Ok(LookedUp::Dead);
                    }
                    let newest = || Box::new(new_cookie(id, &header, self.clock.now()));
                    return Ok(LookedUp::Live(Found {
                        cookie: (id != sent).then(newest),
                        record: record(id, bytes, &header),
                        data,
                        hold,
                    }));
                }
                Opened::Dead => {
                    self.bury_dead(&handle, &bytes).await;
                    return Ok(LookedUp::Dead);
                }
                Opened::Moved(tombstone) => {
                    let next = tombstone.next(&id, &self.sealer, self.clock.now());
                    let Some(next) = next.filter(|_| moves < MOST_MOVES) else {
                        Event::ReplayedOldId.tell(Some(&handle));
                        return Ok(LookedUp::Moved);
                    };
                    (id, hold) = (next, None);
                    moves += 1;
                }
                Opened::Unreadable => {
                    Event::Unreadable.tell(Some(&handle));
                    return Ok(LookedUp::Unreadable);
                }
            }
            let handle = self.sealer.handle(&id);
            let Some(newer) = self.fetch(&handle).await? else {
                return Ok(LookedUp::Dead);
            };
            opened = self.open(&handle, &newer);
            bytes = newer;
        }
    }

    /// What was seen dead does not come back when the clock is set back: rule 67.
    async fn bury_dead(&self, handle: &Handle, seen: &Bytes) {
        Event::Expired.tell(Some(handle));
        if let Err(error) = self.swap_out(handle, seen).await {
            tracing::debug!(target: "duck_session", %error, "an expired session is left for the sweep");
        }
    }
}
