//! Reading one shard after the other, past the writer.

use data_encoding::HEXLOWER;

use super::failure::Failure;
use super::folder::{Folder, ShardRead};
use super::place::Place;
use super::rows;
use super::shard::Read;
use crate::store::{Page, SessionKey, StoredSession, UserKey};

/// Reads the [`next`](Page::next) of a page: the place from which on the next one lists sessions. A session
/// keeps its place whatever happens to shards.
pub(super) fn parse(cursor: &str) -> Option<Place> {
    let bytes = HEXLOWER.decode(cursor.as_bytes()).ok()?;
    Some(Place(u64::from_be_bytes(bytes.try_into().ok()?)))
}

pub(super) fn cursor(place: Place) -> String {
    HEXLOWER.encode(&place.0.to_be_bytes())
}

impl Folder {
    /// The session under a key. Where its shard was replaced, [`load_after_split`](Self::load_after_split) finds
    /// it, and may have to wait.
    pub(super) fn load(&self, key: &SessionKey) -> Result<Read<StoredSession>, Failure> {
        let shards = self.shards();
        let Some(shard) = shards.at(Place::of(key)) else {
            return Ok(Read::Replaced);
        };
        shard.read(|connection| rows::load(connection, key))
    }

    pub(super) fn load_after_split(
        &self,
        key: &SessionKey,
    ) -> Result<Option<StoredSession>, Failure> {
        let place = Place::of(key);
        match self.read_from(place, |connection| rows::load(connection, key))? {
            Some(read) => read.found,
            None => Ok(None),
        }
    }

    pub(super) fn of_user(
        &self,
        user: &UserKey,
        limit: usize,
    ) -> Result<Vec<StoredSession>, Failure> {
        let (mut sessions, mut from) = (Vec::new(), Some(Place(0)));
        while let Some(place) = from
            && sessions.len() < limit
        {
            let wanted = limit - sessions.len();
            let read = |connection: &_| {
                let found = rows::of_user(connection, user, wanted)?;
                Ok((!found.is_empty()).then_some(found))
            };
            let Some(ShardRead { shard, found }) = self.read_from(place, read)? else {
                break;
            };
            match found {
                Ok(found) => sessions.extend(found.unwrap_or_default()),
                Err(failure) if failure.is_corruption() => shard.warn(&failure),
                Err(failure) => return Err(failure),
            }
            from = shard.prefix().after();
        }
        Ok(sessions)
    }

    /// Up to `limit` sessions from a place on. A shard that is damaged counts as one thing that cannot be
    /// read, and hides no other.
    pub(super) fn page(&self, from: Place, limit: usize) -> Result<Page, Failure> {
        let (limit, mut from) = (limit.max(1), Some(from));
        let mut page = Page::default();
        while let Some(place) = from
            && page.sessions.len() < limit
        {
            let wanted = limit - page.sessions.len();
            let read = |connection: &_| {
                let found = rows::page(connection, place, wanted)?;
                Ok((!found.is_empty()).then_some(found))
            };
            let Some(ShardRead { shard, found }) = self.read_from(place, read)? else {
                from = None;
                break;
            };
            from = shard.prefix().after();
            match found {
                Ok(found) => {
                    let found = found.unwrap_or_default();
                    if found.len() == wanted {
                        from = found.last().and_then(|last| after(last.key()));
                    }
                    page.sessions.extend(found);
                }
                Err(failure) if failure.is_corruption() => {
                    shard.warn(&failure);
                    page.unreadable += 1;
                }
                Err(failure) => return Err(failure),
            }
        }
        page.next = from.map(cursor);
        Ok(page)
    }
}

pub(super) fn after(key: &SessionKey) -> Option<Place> {
    Place::of(key).0.checked_add(1).map(Place)
}
