use duck::session::{
    Changes, Commit, IdChange, Record, SessionData, SessionError, SessionId, Visitor,
};

use super::{Operation, StoreEngine, seen};
use crate::events::Event;
use crate::store::{OpenSession, SessionKey, SessionStore, Version};

impl<S: SessionStore> StoreEngine<S> {
    /// Ends the session, and every other one that the visitor came with, where they log out; begins another
    /// where there is something to keep.
    pub(super) async fn end_or_begin(
        &self,
        session: Option<(SessionId, OpenSession)>,
        data: SessionData,
        changes: &Changes,
        visitor: &Visitor,
    ) -> Result<Commit, SessionError> {
        let is_logout = changes.id == IdChange::End;
        let ends = is_logout || session.is_some();
        if let Some((_, session)) = &session {
            self.end(session.key()).await?;
        }
        self.end_all(&changes.others).await?;
        if !is_logout && session.is_some() {
            return Ok(Commit::Ended); // its own end has come
        }
        match self.begin(data, visitor).await? {
            Commit::Unchanged if ends => Ok(Commit::Ended),
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
