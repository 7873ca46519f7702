use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use super::id::SessionId;

/// A session as an engine last saw it.
#[derive(Clone)]
#[non_exhaustive]
pub struct Record {
    /// Its id, where the engine has ids.
    pub id: Option<SessionId>,
    /// The engine's own bytes, to compare with when it writes.
    pub bytes: Bytes,
    /// When it ends if nothing is saved any more.
    pub expires_at: SystemTime,
}

impl Record {
    /// A record with this id, these bytes and this end.
    pub fn new(id: Option<SessionId>, bytes: Bytes, expires_at: SystemTime) -> Self {
        Self {
            id,
            bytes,
            expires_at,
        }
    }
}

impl fmt::Debug for Record {
    /// Not the bytes: they may be readable data, or a whole cookie.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("bytes", &self.bytes.len())
            .field("expires_at", &self.expires_at)
            .finish()
    }
}
