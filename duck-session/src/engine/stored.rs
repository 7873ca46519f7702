//! Stored sessions as an administrator sees them: all of them, whoever they belong to.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use duck::session::SessionData;

use super::{CacheEngine, Opened};
use crate::cache::{Cache, Listed};
use crate::header::{Header, Kind};
use crate::seal::Handle;

/// A record of the storage, and what it is.
pub(crate) struct Stored {
    pub(crate) handle: Handle,
    pub(crate) bytes: Bytes,
    /// How long the storage keeps it, as far as that is known.
    pub(crate) ttl: Option<Duration>,
    pub(crate) state: State,
}

/// What a record is.
pub(crate) enum State {
    /// A session, and when it ends if nobody comes any more.
    Live {
        header: Header,
        data: SessionData,
        ends: u64,
    },
    /// What is left where a session had its id until it got a new one, and where it is now.
    Moved(Option<Handle>),
    /// Which sessions a user has.
    List(Header),
    /// Its time is over, and nobody has removed it yet.
    Expired,
    Unreadable(Obstacle),
}

/// Why a record cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// It is of no format that is known.
    Format,
    /// It is sealed with a key that is not there: that one may come back.
    Key,
    /// The key is there, and the record does not open.
    Damage,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => "of a format that this version does not know",
            Self::Key => "sealed with a key that is not in the settings",
            Self::Damage => "damaged, or moved here from another place",
        })
    }
}

/// A part of what is stored.
#[derive(Default)]
pub(crate) struct StoredPage {
    pub(crate) records: Vec<Stored>,
    /// How many more the storage could not read, or are not the engine's.
    pub(crate) unreadable: usize,
    pub(crate) next: Option<String>,
}

impl Stored {
    /// Whether the storage itself counts it as gone.
    pub(crate) fn is_past(&self) -> bool {
        self.ttl.is_some_and(|ttl| ttl.is_zero())
    }
}

impl<C: Cache> CacheEngine<C> {
    /// What an entry is; `None` where no session is ever kept under such a key.
    pub(super) fn examine(&self, entry: Listed) -> Option<Stored> {
        let handle = Handle::parse_hash(&entry.key)?;
        let state = if entry.is_expired() {
            State::Expired
        } else {
            self.state(&handle, &entry.value)
        };
        Some(Stored {
            handle,
            bytes: entry.value,
            ttl: entry.ttl,
            state,
        })
    }

    fn state(&self, handle: &Handle, bytes: &Bytes) -> State {
        match self.open(handle, bytes) {
            Opened::Live(header, data) => State::Live {
                ends: self.lifetimes.end(&header),
                header,
                data,
            },
            Opened::Moved(tombstone) => State::Moved(tombstone.to),
            Opened::Dead => State::Expired,
            Opened::Unreadable => self.sealed_state(handle, bytes),
        }
    }

    /// What is no session, or none that opens.
    fn sealed_state(&self, handle: &Handle, bytes: &Bytes) -> State {
        match Header::read(bytes) {
            Some(header) if header.kind == Kind::List && self.opens(handle, &header, bytes) => {
                State::List(header)
            }
            _ => State::Unreadable(self.obstacle(bytes)),
        }
    }

    fn opens(&self, handle: &Handle, header: &Header, bytes: &Bytes) -> bool {
        let opened = self.sealer.open(handle.as_bytes(), header, bytes);
        opened.is_some()
    }

    fn obstacle(&self, bytes: &Bytes) -> Obstacle {
        match Header::read(bytes) {
            None => Obstacle::Format,
            Some(header) if !self.sealer.has_key(&header) => Obstacle::Key,
            Some(_) => Obstacle::Damage,
        }
    }
}
