use bytes::Bytes;
use duck::session::{Commit, Identity, Record, SessionData, SessionError, Visitor};

use super::line::Line;
use super::save::MOST_TRIES;
use super::{CacheEngine, Opened};
use crate::cache::Cache;
use crate::journal::Event;
use crate::seal::Handle;

impl<C: Cache> CacheEngine<C> {
    /// Ends a session, also where another request gave it a new id meanwhile.
    pub(super) async fn end(&self, old: &Record) -> Result<Commit, SessionError> {
        let (_, handle, header) = self.place(old)?;
        self.end_at(handle, Some(old.bytes.clone())).await?;
        if header.auth > 0
            && let Opened::Live(_, data) = self.open(&handle, &old.bytes)
        {
            self.strike(&data, &handle).await;
        }
        Event::Ended.tell(Some(&handle));
        Ok(Commit::Ended)
    }

    /// Removes what is kept under a handle, last seen as these bytes, and whatever became of it.
    pub(super) async fn end_at(
        &self,
        handle: Handle,
        seen: Option<Bytes>,
    ) -> Result<(), SessionError> {
        let mut next = self.remove(&handle, seen).await?;
        while let Some(handle) = next {
            next = self.remove(&handle, None).await?;
        }
        Ok(())
    }

    /// Removes a record, last seen as these bytes. If the session has moved on, says where to: the
    /// tombstone stays.
    async fn remove(
        &self,
        handle: &Handle,
        mut seen: Option<Bytes>,
    ) -> Result<Option<Handle>, SessionError> {
        let mut line = Line::new(*handle, self.lock_unless_atomic(&self.locks, handle).await);
        for attempt in 0..MOST_TRIES {
            if let Some(bytes) = &seen
                && self.swap_out(handle, bytes).await?
            {
                return Ok(None);
            }
            if attempt > 0 {
                self.stand_in_line(&self.locks, &mut line, attempt).await;
            }
            seen = self.fetch(handle).await?;
            match seen.as_ref().map(|bytes| self.open(handle, bytes)) {
                None => return Ok(None),
                Some(Opened::Moved(tombstone)) => return Ok(tombstone.to),
                Some(_) => {}
            }
        }
        // It keeps changing, but a logout has to win.
        self.delete(handle).await?;
        Ok(None)
    }

    /// Ends a session and begins another with what was set since.
    pub(super) async fn replace(
        &self,
        old: &Record,
        data: SessionData,
        visitor: &Visitor,
    ) -> Result<Commit, SessionError> {
        let ended = self.end(old).await?;
        match self.begin(data, Identity::End, visitor).await? {
            saved @ Commit::Saved { .. } => Ok(saved),
            _ => Ok(ended),
        }
    }
}
