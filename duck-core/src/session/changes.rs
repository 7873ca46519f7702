use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use smallvec::SmallVec;

use super::data::{CSRF_SECRET, SessionData, USER};
use super::record::Record;
use super::value::Json;
use crate::session::error::SessionError;

/// A change that can be made again on newer data, when another request saved first.
pub(crate) type Replay =
    Box<dyn Fn(&str, Option<&[u8]>) -> Result<Json, SessionError> + Send + Sync>;

/// The key of a value; most are so short that they need no memory of their own.
pub(crate) struct Key(SmallVec<[u8; 24]>);

impl From<&str> for Key {
    fn from(key: &str) -> Self {
        Self(SmallVec::from_slice(key.as_bytes()))
    }
}

impl Deref for Key {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).expect("it was made of a `str`")
    }
}

/// The changes of one request: mostly there is one.
pub(crate) type Writes = SmallVec<[Write; 1]>;

/// One thing that a request did to its session.
pub(crate) enum Write {
    Set(Key, Box<[u8]>),
    Update(Key, Replay),
    Remove(Key),
    /// The same, for a request that has to know what was there in the end.
    Take(Key, Taken),
    Clear,
    /// Everything goes, the framework's own keys too: another user logs in.
    Reset,
}

/// The value that was taken out when the changes were made for the last time, which is when they
/// were saved.
#[derive(Clone, Default)]
pub(crate) struct Taken(Arc<Mutex<Option<Bytes>>>);

impl Taken {
    pub(crate) fn put(&self, value: Option<Bytes>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }

    pub(crate) fn into_value(self) -> Option<Bytes> {
        let mut value = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        value.take()
    }
}

impl Write {
    pub(crate) fn apply(&self, data: &mut SessionData) -> Result<(), SessionError> {
        match self {
            Self::Set(key, json) => {
                data.set(key, json);
            }
            Self::Update(key, change) => {
                let json = change(key, data.get(key))?;
                data.set(key, &json);
            }
            Self::Remove(key) => {
                data.remove(key);
            }
            Self::Take(key, taken) => taken.put(data.remove(key)),
            Self::Clear => data.clear(),
            Self::Reset => *data = SessionData::default(),
        }
        Ok(())
    }

    /// The one key it concerns; `None` where it concerns all.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Set(key, _) | Self::Update(key, _) | Self::Remove(key) | Self::Take(key, _) => {
                Some(key)
            }
            Self::Clear | Self::Reset => None,
        }
    }

    /// Whether it says who is logged in.
    pub(crate) fn is_login(&self) -> bool {
        match self {
            Self::Set(key, _) => **key == *USER,
            Self::Reset => true,
            _ => false,
        }
    }

    /// Whether it gives the tokens in forms another secret, as each login does.
    pub(crate) fn is_csrf_secret(&self) -> bool {
        self.key() == Some(CSRF_SECRET)
    }
}

/// What becomes of a session's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdChange {
    /// It stays.
    #[default]
    Keep,
    /// A new one; the old one is worth nothing from then on: `cycle_id`.
    Renew,
    /// The same because somebody logged in: the absolute limit counts from now.
    Login,
    /// The session ends. Data set afterwards begins another: `flush`.
    End,
}

/// Everything a request changed, for the engine to write.
#[non_exhaustive]
pub struct Changes {
    /// The session as it was loaded; `None` where there was none.
    pub record: Option<Record>,
    /// Other live sessions that the visitor came with: a login or a logout ends them.
    pub others: Vec<Record>,
    /// What becomes of the id.
    pub id: IdChange,
    /// Whether to write even if no value differs: `set_modified(true)`.
    pub forced: bool,
    /// The data with all changes made, where the record is still what was loaded.
    data: Option<SessionData>,
    writes: Writes,
}

impl Changes {
    pub(crate) fn new(
        record: Option<Record>,
        id: IdChange,
        forced: bool,
        data: Option<SessionData>,
        writes: Writes,
    ) -> Self {
        Self {
            record,
            others: Vec::new(),
            id,
            forced,
            data,
            writes,
        }
    }

    /// The data to write, if the record did not change since it was loaded. `None` where the engine has to
    /// [`apply`](Self::apply) the changes itself.
    pub fn data(&self) -> Option<&SessionData> {
        self.data.as_ref()
    }

    /// Makes the changes again on newer data: values set stand over what is there, and updates
    /// count on from it.
    ///
    /// # Errors
    ///
    /// When an update cannot read the newer value.
    pub fn apply(&self, data: &mut SessionData) -> Result<(), SessionError> {
        self.writes.iter().try_for_each(|write| write.apply(data))
    }

    /// Whether any value was changed.
    pub fn has_writes(&self) -> bool {
        !self.writes.is_empty()
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("id", &self.id)
            .field("forced", &self.forced)
            .field("writes", &self.writes.len())
            .finish_non_exhaustive()
    }
}
