//! What an administrator does with stored sessions while the site runs. All of it compares and swaps,
//! or only reads: no visitor loses what a request is saving at that moment.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use duck::session::SessionError;
use duck::{BoxFuture, Result};

use super::hold::is_note;
use super::save::MOST_TRIES;
use super::stored::{State, Stored, StoredPage};
use super::{CacheEngine, Opened};
#[cfg(feature = "dynamic-file")]
use crate::cache::DynamicFileCache;
use crate::cache::files::Files;
use crate::cache::{Cache, Entry, KeyAsFolderCache, Listed};
use crate::header::Header;
use crate::journal::Event;
use crate::seal::Handle;

/// How many records are looked at together.
const PAGE: usize = 500;

/// Looks after what a [`CacheEngine`] has stored, whatever its cache is.
pub(crate) trait Administration: Send + Sync {
    /// Milliseconds since 1970, by the engine's clock.
    fn now(&self) -> u64;

    /// Whether writing a record cannot undo what the site writes at that moment.
    fn is_atomic(&self) -> bool;

    /// Some of the records: see [`Cache::page`].
    fn page(&self, after: Option<String>) -> BoxFuture<'_, Result<StoredPage>>;

    /// The sessions of a user, by their list: no other is looked at.
    fn listed<'a>(&'a self, user: &'a str) -> BoxFuture<'a, Result<Vec<Stored>>>;

    /// The record under one handle.
    fn find<'a>(&'a self, handle: &'a Handle) -> BoxFuture<'a, Result<Option<Stored>>>;

    /// Ends a session, also where it gets a new id meanwhile, and says whether there was one.
    fn revoke<'a>(&'a self, handle: &'a Handle) -> BoxFuture<'a, Result<bool>>;

    /// Removes a record if it still is what was seen.
    fn discard<'a>(&'a self, stored: &'a Stored) -> BoxFuture<'a, Result<bool>>;

    /// Seals a record as a new one is: with the current key.
    fn reseal<'a>(&'a self, stored: &'a Stored) -> BoxFuture<'a, Result<Resealed>>;

    /// Whether a session is on its user's list; if not and `repair` says so, it is put there.
    fn check_list<'a>(&'a self, stored: &'a Stored, repair: bool) -> BoxFuture<'a, Result<bool>>;

    /// Stores a record of another storage here, as it is and for as long as it has left.
    fn adopt<'a>(&'a self, stored: &'a Stored) -> BoxFuture<'a, Result<Adopted>>;

    /// Removes some of what is over, as the site does itself now and then.
    fn sweep(&self) -> BoxFuture<'_, Result<usize>>;

    /// Removes everything.
    fn clear(&self) -> BoxFuture<'_, Result<()>>;

    /// The files of the storage, where it is one of Duck's that has files.
    fn files(&self) -> Option<Arc<dyn Files>>;
}

/// What became of a record that was to be sealed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resealed {
    Done,
    /// It is sealed so.
    NotNeeded,
    /// It does not open, with any key that is there.
    Unreadable,
    /// It ended meanwhile.
    Gone,
}

/// What became of a record that was to be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adopted {
    Copied,
    /// It is here already, perhaps in a newer version.
    NotNeeded,
}

impl<C: Cache> Administration for CacheEngine<C> {
    fn now(&self) -> u64 {
        self.clock.now()
    }

    fn is_atomic(&self) -> bool {
        C::ATOMIC
    }

    fn page(&self, after: Option<String>) -> BoxFuture<'_, Result<StoredPage>> {
        Box::pin(async move {
            let page = self.cache.page(after.as_deref(), PAGE).await?;
            let mut stored = StoredPage {
                unreadable: page.unreadable,
                next: page.next,
                ..StoredPage::default()
            };
            let records = page.entries.into_iter();
            for entry in records.filter(|entry| !is_note(&entry.value)) {
                match self.examine(entry) {
                    Some(record) => stored.records.push(record),
                    None => stored.unreadable += 1,
                }
            }
            Ok(stored)
        })
    }

    fn listed<'a>(&'a self, user: &'a str) -> BoxFuture<'a, Result<Vec<Stored>>> {
        Box::pin(async move {
            let mut stored = Vec::new();
            for handle in self.listed(user).await? {
                stored.extend(Administration::find(self, &handle).await?);
            }
            Ok(stored)
        })
    }

    fn find<'a>(&'a self, handle: &'a Handle) -> BoxFuture<'a, Result<Option<Stored>>> {
        Box::pin(async move {
            let found = self.fetch(handle).await?;
            Ok(found.and_then(|bytes| self.examine(Listed::new(handle.as_str(), bytes, None))))
        })
    }

    fn revoke<'a>(&'a self, handle: &'a Handle) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let Some(bytes) = self.fetch(handle).await? else {
                return Ok(false);
            };
            self.end_at(*handle, Some(bytes.clone())).await?;
            if let Opened::Live(_, data) = self.open(handle, &bytes) {
                self.strike(&data, handle).await;
            }
            Event::Revoked.tell(Some(handle));
            Ok(true)
        })
    }

    fn discard<'a>(&'a self, stored: &'a Stored) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            if stored.is_past() {
                // No swap sees it any more, and no new session ever gets its handle.
                self.delete(&stored.handle).await?;
                return Ok(true);
            }
            Ok(self.swap_out(&stored.handle, &stored.bytes).await?)
        })
    }

    fn reseal<'a>(&'a self, stored: &'a Stored) -> BoxFuture<'a, Result<Resealed>> {
        Box::pin(async move {
            if !C::ATOMIC {
                let why = "its cache has no compare_and_swap of its own: a logout of this moment could be undone";
                return Err(SessionError::Unsupported(why).into());
            }
            // The name of a list comes from the key, too.
            if let State::List(header) = &stored.state
                && !self.sealer.is_current(header)
            {
                match self.rename_list(&stored.handle).await? {
                    Resealed::NotNeeded => {}
                    renamed => return Ok(renamed),
                }
            }
            Ok(self.seal_anew(stored).await?)
        })
    }

    fn check_list<'a>(&'a self, stored: &'a Stored, repair: bool) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let State::Live { header, data, .. } = &stored.state else {
                return Ok(true);
            };
            let handle = &stored.handle;
            let listed = self.is_listed(data, handle).await?;
            if repair && !listed {
                self.enlist(data, handle, header, None, None).await?;
            }
            Ok(listed)
        })
    }

    fn adopt<'a>(&'a self, stored: &'a Stored) -> BoxFuture<'a, Result<Adopted>> {
        Box::pin(async move { Ok(self.take_over(stored).await?) })
    }

    fn sweep(&self) -> BoxFuture<'_, Result<usize>> {
        Box::pin(self.sweep())
    }

    fn clear(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.cache.clear().await?;
            self.cache.save().await
        })
    }

    fn files(&self) -> Option<Arc<dyn Files>> {
        let cache: &dyn Any = &*self.cache;
        #[cfg(feature = "dynamic-file")]
        if let Some(cache) = cache.downcast_ref::<DynamicFileCache>() {
            return Some(Arc::new(cache.clone()));
        }
        let cache = cache.downcast_ref::<KeyAsFolderCache>()?;
        Some(Arc::new(cache.clone()))
    }
}

impl<C: Cache> CacheEngine<C> {
    /// Only the seal and the version change: neither the data nor the end of the session. A request
    /// that is saving it finds a newer version, as after any other request.
    async fn seal_anew(&self, stored: &Stored) -> Result<Resealed, SessionError> {
        let mut seen = stored.bytes.clone();
        for _ in 0..MOST_TRIES {
            let now = self.clock.now();
            let Some(header) = Header::read(&seen) else {
                return Ok(Resealed::Unreadable);
            };
            if self.lifetimes.end(&header) <= now {
                return Ok(Resealed::Gone);
            }
            if self.sealer.is_current(&header) {
                return Ok(Resealed::NotNeeded);
            }
            let Some(new) = self.with_current_key(&stored.handle, &header, &seen)? else {
                return Ok(Resealed::Unreadable);
            };
            let entry = header.entry(&new, now, false);
            if self.swap(&stored.handle, Some(&seen), entry).await? {
                return Ok(Resealed::Done);
            }
            match self.fetch(&stored.handle).await? {
                Some(newer) => seen = newer,
                None => return Ok(Resealed::Gone),
            }
        }
        Err(SessionError::Conflict)
    }

    /// The next version of a record, sealed with the current key; `None` if it does not open.
    fn with_current_key(
        &self,
        handle: &Handle,
        header: &Header,
        record: &Bytes,
    ) -> Result<Option<Bytes>, SessionError> {
        let Some(data) = self.sealer.open(handle.as_bytes(), header, record) else {
            return Ok(None);
        };
        let mut header = Header {
            key: [0; 8],
            version: header.version.saturating_add(1),
            ..*header
        };
        let sealed = self.sealer.seal(handle.as_bytes(), &mut header, &data);
        sealed.map(Some)
    }

    /// Of two versions the newer one stays. The record is copied as it is, so that one which cannot
    /// be read here survives as well.
    async fn take_over(&self, stored: &Stored) -> Result<Adopted, SessionError> {
        for _ in 0..MOST_TRIES {
            let seen = self.fetch(&stored.handle).await?;
            if seen
                .as_ref()
                .is_some_and(|seen| !is_older(seen, &stored.bytes))
            {
                return Ok(Adopted::NotNeeded);
            }
            let entry = Entry {
                ttl: self.left(stored),
                ..Entry::new(&stored.bytes)
            };
            if self.swap(&stored.handle, seen.as_deref(), entry).await? {
                return Ok(Adopted::Copied);
            }
        }
        Err(SessionError::Conflict)
    }

    /// How long a record may stay: what its storage says, or its own header.
    fn left(&self, stored: &Stored) -> Option<Duration> {
        let by_header = || {
            let header = Header::read(&stored.bytes)?;
            let left = header.expires.saturating_sub(self.clock.now());
            Some(Duration::from_millis(left))
        };
        stored.ttl.or_else(by_header)
    }
}

fn is_older(record: &[u8], other: &[u8]) -> bool {
    let versions = (Header::read(record), Header::read(other));
    matches!(versions, (Some(record), Some(other)) if record.version < other.version)
}
