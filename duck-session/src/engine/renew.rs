use duck::session::{Changes, Commit, Identity, Record, SessionError, SessionId, Visitor};

use super::line::Line;
use super::load::MOST_MOVES;
use super::save::{MOST_TRIES, Version, gone};
use super::tombstone::Tombstone;
use super::{CacheEngine, Opened, new_cookie, record};
use crate::cache::Cache;
use crate::header::{Header, Kind};
use crate::journal::Event;

/// How long it is remembered that an id was given up: rule 33.
const TOMBSTONE: u64 = 60_000;

/// Why a session gets a new id.
#[derive(Clone, Copy, PartialEq)]
enum Reason {
    /// The site asked for it: the old id dies at once.
    Asked(Identity),
    /// The old one has been in use for long enough: it leads to the new one for a while.
    Time,
}

impl Reason {
    fn identity(self) -> Identity {
        match self {
            Self::Asked(identity) => identity,
            Self::Time => Identity::Renew,
        }
    }
}

impl<C: Cache> CacheEngine<C> {
    /// Gives a session a new id, because the site asked for it.
    pub(super) async fn renew(
        &self,
        old: Version,
        changes: &Changes,
        visitor: &Visitor,
    ) -> Result<Commit, SessionError> {
        let reason = Reason::Asked(changes.identity);
        self.move_on(old, Some(changes), reason, Some(visitor))
            .await
    }

    /// Saves changes under a new id, because the old one has been in use for long enough.
    pub(super) async fn renew_in_time(
        &self,
        old: Version,
        changes: &Changes,
    ) -> Result<Commit, SessionError> {
        self.move_on(old, Some(changes), Reason::Time, None).await
    }

    /// The same for a session that was only visited. If that fails, it lives on as it was.
    pub(super) async fn renew_visited(&self, old: &Record) -> Commit {
        let renewed = async {
            let Some(old) = self.visited(old)? else {
                return Ok(Commit::Unchanged);
            };
            self.move_on(old, None, Reason::Time, None).await
        };
        match renewed.await {
            // Nothing was to be written, so nothing is lost.
            Ok(Commit::Gone) => Commit::Unchanged,
            Ok(commit) => commit,
            Err(error) => {
                tracing::warn!(target: "duck_session", %error, "the id of a session could not be renewed");
                Commit::Unchanged
            }
        }
    }

    /// Gives a session a new id: the new record is there before the old one goes, so a failure
    /// on the way leaves the visitor the session they had.
    async fn move_on(
        &self,
        mut old: Version,
        changes: Option<&Changes>,
        reason: Reason,
        visitor: Option<&Visitor>,
    ) -> Result<Commit, SessionError> {
        let sent = old.id;
        let mut line = Line::new(
            old.handle,
            self.lock_unless_atomic(&self.locks, &old.handle).await,
        );
        for attempt in 0..MOST_TRIES {
            let now = self.clock.now();
            if self.lifetimes.end(&old.header) <= now {
                return Ok(gone());
            }
            if let Some(visitor) = visitor.filter(|_| reason == Reason::Asked(Identity::Login)) {
                self.prepare(&mut old.data, Some(&old.handle), visitor)
                    .await?;
            }
            let new = self.fresh(&old.data, reason.identity(), now, Some(&old.header));
            let from = Some(&old.handle);
            let created = self.create(new, &old.data, reason.identity(), from, visitor);
            let (id, bytes, new) = created.await?;
            match self.bury(&old, &id, reason).await {
                Ok(true) => {
                    let event = match reason {
                        Reason::Asked(Identity::Login) => Event::LoggedIn,
                        _ => Event::Renewed,
                    };
                    event.tell(Some(&self.sealer.handle(&id)));
                    self.strike_buried(&old).await;
                    let cookie = Some(new_cookie(id, &new, now));
                    return Ok(Commit::Saved {
                        record: record(id, bytes, &new),
                        data: old.data,
                        cookie,
                    });
                }
                Ok(false) => self.take_back(&id, &old).await?,
                Err(error) => {
                    // A storage that did not answer may have written all the same: the new record goes
                    // only if the old one is there. If it stays, nobody knows its id.
                    if let Ok(Some(_)) = self.newer(&old).await {
                        self.take_back(&id, &old).await.unwrap_or_default();
                    }
                    return Err(error);
                }
            }
            let Some(newer) = self.newer_in_turn(&old, &mut line, attempt).await? else {
                return Ok(gone());
            };
            old = newer;
            if let Some(changes) = changes {
                changes.apply(&mut old.data)?;
            }
            if reason == Reason::Time && old.id != sent {
                // Another request was faster to renew: this one goes on with what it made.
                drop(line);
                return self.go_on_as(&mut old, changes).await;
            }
        }
        Err(SessionError::Conflict)
    }

    /// Saves under the id that another request gave the session. The visitor of this one still has to
    /// be told of it.
    async fn go_on_as(
        &self,
        version: &mut Version,
        changes: Option<&Changes>,
    ) -> Result<Commit, SessionError> {
        let newest = || Some(new_cookie(version.id, &version.header, self.clock.now()));
        let Some(changes) = changes else {
            return Ok(Commit::Saved {
                record: record(version.id, version.seen.clone(), &version.header),
                cookie: newest(),
                data: std::mem::take(&mut version.data),
            });
        };
        let told = newest();
        let mut commit = Box::pin(self.save(version, changes)).await?;
        if let Commit::Saved { cookie, .. } = &mut commit {
            *cookie = cookie.take().or(told);
        }
        Ok(commit)
    }

    /// Takes the old id off the list of the user it was good for: perhaps another one than now.
    async fn strike_buried(&self, old: &Version) {
        if old.header.auth > 0
            && let Opened::Live(_, before) = self.open(&old.handle, &old.seen)
        {
            self.strike(&before, &old.handle).await;
        }
    }

    /// Removes a record whose session did not move there after all.
    async fn take_back(&self, id: &SessionId, old: &Version) -> Result<(), SessionError> {
        let handle = self.sealer.handle(id);
        self.delete(&handle).await?;
        self.strike(&old.data, &handle).await;
        Ok(())
    }

    /// Puts a tombstone in the place of a record, if it still is what was seen. Where the cache
    /// cannot compare and swap in one step, the caller holds the lock.
    async fn bury(
        &self,
        old: &Version,
        new: &SessionId,
        reason: Reason,
    ) -> Result<bool, SessionError> {
        let now = self.clock.now();
        let mut tombstone = Tombstone::new(self.sealer.handle(new));
        let mut stays = TOMBSTONE;
        if reason == Reason::Time {
            let grace = self.lifetimes.grace;
            tombstone = tombstone.with_grace(self.sealer.wrap_id(&old.id, new)?, now + grace);
            // Long enough for streams too, which look from time to time.
            stays = stays.max(grace).max(2 * self.lifetimes.touch);
        }
        let mut header = Header {
            kind: Kind::Moved,
            version: old.header.version.wrapping_add(1),
            expires: now + stays,
            auth: 0,
            ..old.header
        };
        let bytes = self.seal(&old.handle, &mut header, &tombstone.write())?;
        let entry = self.entry(&bytes, &header, reason.identity(), now);
        self.swap(&old.handle, Some(&old.seen), entry).await
    }

    /// A session as it is now, wherever it went since it was seen as `old`.
    pub(super) async fn newer(&self, old: &Version) -> Result<Option<Version>, SessionError> {
        let mut id = old.id;
        for _ in 0..MOST_MOVES {
            let handle = self.sealer.handle(&id);
            let Some(seen) = self.fetch(&handle).await? else {
                return Ok(None);
            };
            match self.open(&handle, &seen) {
                Opened::Live(header, data) => {
                    return Ok(Some(Version {
                        id,
                        handle,
                        seen,
                        header,
                        data,
                    }));
                }
                Opened::Moved(tombstone) => {
                    match tombstone.next(&id, &self.sealer, self.clock.now()) {
                        Some(next) => id = next,
                        None => return Ok(None),
                    }
                }
                Opened::Dead | Opened::Unreadable => return Ok(None),
            }
        }
        Ok(None)
    }
}
