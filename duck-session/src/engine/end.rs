use duck::session::{Changes, Commit, IdChange, Record, SessionData, SessionError, Visitor};

use super::{Operation, StoreEngine, seen};
use crate::events::Event;
use crate::store::{OpenSession, SessionKey, SessionStore, Version};

impl<S: SessionStore> StoreEngine<S> {
    /// Ends the session where the visitor logs out, and every other one that they came with; begins another
    /// where there is something to keep.
    pub(super) async fn end_or_begin(
        &self,
        session: Option<&OpenSession>,
        data: SessionData,
        changes: &Changes,
        visitor: &Visitor,
    ) -> Result<Commit, SessionError> {
        if let Some(session) = session {
            self.end(session.key()).await?;
        }
        self.end_all(&changes.others).await?;
        match self.begin(data, visitor).await? {
            Commit::Unchanged if changes.id == IdChange::End => Ok(Commit::Ended),
            commit => Ok(commit),
        }
    }

    /// Ends sessions, whatever became of them since they were loaded.
    pub(super) async fn end_all(&self, records: &[Record]) -> Result<(), SessionError> {
        for record in records {
            self.end(seen(record)?.1.key()).await?;
        }
        Ok(())
    }

    async fn end(&self, key: &SessionKey) -> Result<(), SessionError> {
        if self.remove(key, None, true).await? {
            Event::Ended.emit(Some(key));
        }
        Ok(())
    }

    /// Removes a session, or only one version of it.
    pub(super) async fn remove(
        &self,
        key: &SessionKey,
        expected: Option<Version>,
        secures: bool,
    ) -> Result<bool, SessionError> {
        let removing = self.store.remove(key, expected, self.durability(secures));
        self.within(Operation::Write, removing).await
    }
}
