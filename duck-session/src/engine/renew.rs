use duck_core::{Changes, Commit, Identity, SessionData, SessionError};

use super::save::{MOST_TRIES, Version, gone};
use super::{CacheEngine, new_cookie, record};
use crate::cache::Cache;
use crate::header::{Header, Kind};
use crate::seal::Handle;

/// How long it is remembered that an id was given up: rule 33.
const TOMBSTONE: u64 = 60_000;

/// Under this key a tombstone says where the session is now: logging out in a request that still
/// knows the old id ends it there.
const MOVED_TO: &str = "_duck.moved";

pub(super) fn moved_to(data: &SessionData) -> Option<Handle> {
    let text: &str = serde_json::from_slice(data.get(MOVED_TO)?).ok()?;
    Handle::parse(text)
}

impl<C: Cache> CacheEngine<C> {
    /// Gives a session a new id: the new record is there before the old one goes, so a failure
    /// on the way leaves the visitor the session they had.
    pub(super) async fn renew(
        &self,
        mut old: Version,
        changes: &Changes,
    ) -> Result<Commit, SessionError> {
        let mut one_at_a_time = self.lock_unless_atomic(&old.handle).await;
        for attempt in 0..MOST_TRIES {
            let now = self.clock.now();
            if self.lifetimes.end(&old.header) <= now {
                return Ok(gone());
            }
            let new = self.fresh(&old.data, changes.identity, now, Some(&old.header));
            let (id, bytes, new) = self.create(new, &old.data, changes.identity, now).await?;
            let new_handle = self.sealer.handle(&id);
            match self.bury(&old, &new_handle, changes.identity).await {
                Ok(true) => {
                    tracing::info!(target: "duck_session", "a session got a new id");
                    let cookie = Some(new_cookie(id, &new, now));
                    return Ok(Commit::Saved {
                        record: record(id, bytes, &new),
                        data: old.data,
                        cookie,
                    });
                }
                Ok(false) => self.delete(&new_handle).await?,
                Err(error) => {
                    // A storage that did not answer may have written all the same: the new record goes
                    // only if the old one is there. If it stays, nobody knows its id.
                    if let Ok(Some(_)) = self.newer(&old).await {
                        self.delete(&new_handle).await.unwrap_or_default();
                    }
                    return Err(error);
                }
            }
            self.stand_in_line(&old.handle, &mut one_at_a_time, attempt)
                .await;
            let Some(newer) = self.newer(&old).await? else {
                return Ok(gone());
            };
            old = newer;
            changes.apply(&mut old.data)?;
        }
        Err(SessionError::Conflict)
    }

    /// Puts a tombstone in the place of a record, if it still is what was seen. Where the cache
    /// cannot compare and swap in one step, the caller holds the lock.
    async fn bury(
        &self,
        old: &Version,
        new_handle: &Handle,
        identity: Identity,
    ) -> Result<bool, SessionError> {
        let now = self.clock.now();
        let expires = now + TOMBSTONE;
        let mut header = Header {
            kind: Kind::Moved,
            version: old.header.version + 1,
            expires,
            auth: 0,
            ..old.header
        };
        let mut data = SessionData::default();
        let text = serde_json::to_vec(new_handle.as_str()).map_err(SessionError::store)?;
        data.set(MOVED_TO, text.into());
        let tombstone = self.seal(&old.handle, &mut header, &data)?;
        let entry = self.entry(&tombstone, &header, identity, now);
        self.swap(&old.handle, Some(&old.seen), entry).await
    }
}
