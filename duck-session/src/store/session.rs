use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use duck::session::SessionData;

use super::key::{SessionKey, UserKey};
use crate::header::Header;

/// A session as a store keeps it. Cloning one copies nothing.
///
/// ```
/// use duck_session::store::{SessionKey, StoredSession, Version};
///
/// let key = SessionKey::from_bytes([7; 16]);
/// let session = StoredSession::new(key, Version::first(), None, 1_900_000_000_000, "sealed");
/// assert_eq!(session.bytes(), "sealed");
/// ```
#[derive(Clone)]
pub struct StoredSession(Form);

#[derive(Clone)]
enum Form {
    Sealed(Arc<Sealed>),
    /// As it is: it has not left this process.
    Open(OpenSession),
}

struct Sealed {
    key: SessionKey,
    version: Version,
    user: Option<UserKey>,
    expires: u64,
    bytes: Bytes,
}

/// What a session that is not sealed shows of its seal.
static NO_BYTES: Bytes = Bytes::new();

impl StoredSession {
    /// The session `key` in this version: whose it is, when it ends (milliseconds since 1970, UTC), and what
    /// the engine keeps in it.
    pub fn new(
        key: SessionKey,
        version: Version,
        user: Option<UserKey>,
        expires: u64,
        bytes: impl Into<Bytes>,
    ) -> Self {
        Self(Form::Sealed(Arc::new(Sealed {
            key,
            version,
            user,
            expires,
            bytes: bytes.into(),
        })))
    }

    /// What the session is stored under.
    pub fn key(&self) -> &SessionKey {
        match &self.0 {
            Form::Sealed(sealed) => &sealed.key,
            Form::Open(open) => open.key(),
        }
    }

    /// Which of its versions this is.
    pub fn version(&self) -> Version {
        match &self.0 {
            Form::Sealed(sealed) => sealed.version,
            Form::Open(open) => open.version(),
        }
    }

    /// Whose it is; `None` where nobody is logged in.
    pub fn user(&self) -> Option<&UserKey> {
        match &self.0 {
            Form::Sealed(sealed) => sealed.user.as_ref(),
            Form::Open(open) => open.header().user(),
        }
    }

    /// When it ends, in milliseconds since 1970, UTC. It comes back from a store exactly.
    pub fn expires(&self) -> u64 {
        match &self.0 {
            Form::Sealed(sealed) => sealed.expires,
            Form::Open(open) => open.expires(),
        }
    }

    /// What the engine keeps in it: sealed, and of no concern to a store. Empty in a store that is
    /// [in this process](super::SessionStore::IN_PROCESS), which keeps the `StoredSession` itself.
    pub fn bytes(&self) -> &Bytes {
        match &self.0 {
            Form::Sealed(sealed) => &sealed.bytes,
            Form::Open(_) => &NO_BYTES,
        }
    }

    /// The memory it takes: what is behind the handle, with the counts of its users, and the bytes.
    pub(super) fn size(&self) -> usize {
        2 * size_of::<usize>()
            + match &self.0 {
                Form::Sealed(sealed) => size_of::<Sealed>() + sealed.bytes.len(),
                Form::Open(open) => {
                    size_of::<Plain>() + open.header().heap_size() + open.data().as_bytes().len()
                }
            }
    }
}

/// A session that is not sealed: what the engine works with. Cloning one copies nothing.
#[derive(Debug, Clone)]
pub(crate) struct OpenSession(Arc<Plain>);

/// What is in a session.
#[derive(Debug, Clone)]
pub(crate) struct Plain {
    pub(crate) key: SessionKey,
    pub(crate) version: Version,
    pub(crate) expires: u64,
    pub(crate) header: Header,
    pub(crate) data: SessionData,
}

impl OpenSession {
    pub(crate) fn new(plain: Plain) -> Self {
        Self(Arc::new(plain))
    }

    /// A session that a store in this process kept as it is; `None` where it is sealed.
    pub(crate) fn of(stored: &StoredSession) -> Option<Self> {
        match &stored.0 {
            Form::Sealed(_) => None,
            Form::Open(open) => Some(open.clone()),
        }
    }

    /// The session as a store in this process keeps it.
    pub(crate) fn unsealed(&self) -> StoredSession {
        StoredSession(Form::Open(self.clone()))
    }

    /// The session as `request.session` keeps it for the engine.
    pub(crate) fn into_seen(self) -> Arc<dyn Any + Send + Sync> {
        self.0
    }

    /// What [`into_seen`](Self::into_seen) gave.
    pub(crate) fn from_seen(seen: &Arc<dyn Any + Send + Sync>) -> Option<Self> {
        Arc::clone(seen).downcast().ok().map(Self)
    }

    pub(crate) fn key(&self) -> &SessionKey {
        &self.0.key
    }

    pub(crate) fn version(&self) -> Version {
        self.0.version
    }

    pub(crate) fn expires(&self) -> u64 {
        self.0.expires
    }

    pub(crate) fn header(&self) -> &Header {
        &self.0.header
    }

    pub(crate) fn data(&self) -> &SessionData {
        &self.0.data
    }

    /// The next version of it, with this data: to be changed and stored.
    pub(crate) fn next(&self, data: SessionData) -> Self {
        let (key, expires, header) = (*self.key(), self.expires(), self.header().clone());
        Self::new(Plain {
            key,
            version: self.version().next(),
            expires,
            header,
            data,
        })
    }

    /// What is in it, to be changed: in a copy, where somebody else has it too.
    pub(crate) fn change(&mut self) -> &mut Plain {
        Arc::make_mut(&mut self.0)
    }
}

/// Neither the keys nor the bytes: in memory they may be half of an id and a visitor's data.
impl fmt::Debug for StoredSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSession")
            .field("version", &self.version())
            .field("expires", &self.expires())
            .field("bytes", &self.bytes().len())
            .finish_non_exhaustive()
    }
}

/// Tells the versions of one session apart: each write makes another one.
///
/// Two are the same version if they are equal. The count alone would not do: after a power cut or a failover
/// it may come to the same number twice. So 64 random bits stand beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// How often the session was written before. With 0 it was never written again after it began: its
    /// cookie may never have come back.
    pub count: u64,
    /// 64 random bits.
    pub random: u64,
}

impl Version {
    /// The version of a session that begins.
    pub fn first() -> Self {
        Self {
            count: 0,
            random: fastrand::u64(..),
        }
    }

    /// The version after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self {
            count: self.count.saturating_add(1),
            random: fastrand::u64(..),
        }
    }
}

/// What a write has to survive before the call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// The end of this process, also by `kill -9`.
    Crash,
    /// A power cut: it is on the disk.
    PowerCut,
}
