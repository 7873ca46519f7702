use duck::Result;
use duck::session::SessionError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::failure::Failure;
use super::place::Place;
use super::rows;
use crate::store::{Durability, SessionKey, StoredSession, Version};

/// Where the writer answers. Who asked may have gone by now; what was done stands all the same.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Failure>>;

/// A change that somebody waits for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) change: Change,
    pub(super) durability: Durability,
    pub(super) reply: Reply<Answer>,
}

/// A change of one session.
#[derive(Debug)]
pub(super) enum Change {
    Create(StoredSession),
    Replace(Version, StoredSession),
    Remove(SessionKey, Option<Version>),
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Made,
    Refused,
    /// There is no room for another session, and nothing that could be given up.
    Full,
}

impl Answer {
    /// What the store says of the change.
    pub(super) fn into_result(self) -> Result<bool> {
        match self {
            Self::Made => Ok(true),
            Self::Refused => Ok(false),
            Self::Full => Err(SessionError::Full.into()),
        }
    }
}

impl Change {
    pub(super) fn place(&self) -> Place {
        Place::of(match self {
            Self::Create(new) | Self::Replace(_, new) => new.key(),
            Self::Remove(key, _) => key,
        })
    }

    /// The session that it would add.
    pub(super) fn created(&self) -> Option<&StoredSession> {
        match self {
            Self::Create(new) => Some(new),
            _ => None,
        }
    }

    /// Makes the change; `room` is how many sessions without a user may be created.
    pub(super) fn make(&self, connection: &Connection, room: &mut u64) -> rusqlite::Result<Answer> {
        let made = match self {
            Self::Create(new) if new.user().is_none() && *room == 0 => return Ok(Answer::Full),
            Self::Create(new) => {
                let created = rows::create(connection, new)?;
                *room = room.saturating_sub(u64::from(created));
                created
            }
            Self::Replace(expected, new) => rows::replace(connection, *expected, new)?,
            Self::Remove(key, expected) => rows::remove(connection, key, *expected)?,
        };
        Ok(if made { Answer::Made } else { Answer::Refused })
    }
}
