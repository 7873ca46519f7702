use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::id::SessionId;

/// A session as an engine last saw it.
#[derive(Clone)]
#[non_exhaustive]
pub struct Record {
    /// The id that the visitor came with, where the engine has ids.
    pub id: Option<SessionId>,
    /// What the engine has to know of it when it writes: anything.
    pub seen: Arc<dyn Any + Send + Sync>,
    /// When it ends if nothing is saved any more.
    pub expires_at: SystemTime,
}

impl Record {
    /// A record with this id, this state and this end.
    pub fn new(
        id: Option<SessionId>,
        seen: Arc<dyn Any + Send + Sync>,
        expires_at: SystemTime,
    ) -> Self {
        Self {
            id,
            seen,
            expires_at,
        }
    }
}

impl fmt::Debug for Record {
    /// Not what the engine knows: it may be readable data, or a whole cookie.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
