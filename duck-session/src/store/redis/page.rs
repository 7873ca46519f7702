//! Going through all sessions.
//!
//! `SCAN` gives names in no order, and some twice. So the keys of a pass are sorted, and a page goes on behind the last
//! key of the one before.

use std::vec;

use duck::Result;
use redis::cmd;

use super::address::Address;
use super::connection::Again;
use super::listing::Listing;
use super::{RedisCache, failure};
use crate::store::{Page, SessionKey};

/// How many keys are kept between two pages: 16 MiB, and twice as many while they are looked for.
const MOST_KEYS: usize = 1 << 20;

/// How many names the server looks at for one `SCAN`, in which nobody else is served.
const NAMES_AT_ONCE: usize = 500;

/// How far a look at the keys of all nodes has come.
struct Scan {
    nodes: vec::IntoIter<Option<Address>>,
    /// The node that is being asked, and where it goes on.
    place: Option<(Option<Address>, u64)>,
}

impl RedisCache {
    pub(super) async fn page_after(&self, after: Option<SessionKey>, limit: usize) -> Result<Page> {
        let kept = self.0.listing.lock().await.take();
        let mut listing = match kept {
            Some(listing) if after.is_some() && listing.after == after => listing,
            _ => self.list(after).await?,
        };
        let rest = listing.keys.len().saturating_sub(limit.max(1));
        let mut keys = listing.keys.split_off(rest);
        keys.reverse();
        let mut page = self.load_all(&keys).await?;
        listing.after = keys.last().copied().or(after);
        if rest > 0 || listing.is_cut {
            page.next = listing.after.map(|key| key.to_hex());
            if rest > 0 {
                *self.0.listing.lock().await = Some(listing);
            }
        }
        Ok(page)
    }

    /// The first keys behind `after`.
    async fn list(&self, after: Option<SessionKey>) -> Result<Listing> {
        let mut listing = Listing {
            after,
            ..Listing::default()
        };
        let first = |keys: &mut Vec<SessionKey>| {
            keys.sort_unstable();
            keys.dedup();
            let is_cut = keys.len() > MOST_KEYS;
            keys.truncate(MOST_KEYS);
            is_cut
        };
        let mut scan = self.scan().await?;
        while let Some(keys) = self.more_keys(&mut scan).await? {
            let behind = |key: &SessionKey| after.is_none_or(|after| *key > after);
            listing.keys.extend(keys.into_iter().filter(behind));
            if listing.keys.len() > 2 * MOST_KEYS {
                listing.is_cut |= first(&mut listing.keys);
            }
        }
        listing.is_cut |= first(&mut listing.keys);
        listing.keys.reverse();
        Ok(listing)
    }

    /// A look at the keys of all nodes.
    async fn scan(&self) -> Result<Scan> {
        let nodes = self.0.connection.nodes().await.map_err(failure)?;
        Ok(Scan {
            nodes: nodes.into_iter(),
            place: None,
        })
    }

    /// Some more keys, or none of many names; `None` after the last ones.
    async fn more_keys(&self, scan: &mut Scan) -> Result<Option<Vec<SessionKey>>> {
        let next_node = || Some((scan.nodes.next()?, 0));
        let Some((node, cursor)) = scan.place.take().or_else(next_node) else {
            return Ok(None);
        };
        let names = &self.0.names;
        // A cursor means something to the server that gave it, and to no other.
        let asking = self
            .0
            .connection
            .ask_node(Again::MustNot, node.as_ref(), || {
                let mut ask = cmd("SCAN");
                ask.arg(cursor).arg("MATCH").arg(names.all_sessions());
                ask.arg("COUNT").arg(NAMES_AT_ONCE).take()
            });
        let (next, found): (u64, Vec<Vec<u8>>) = asking.await.map_err(failure)?;
        scan.place = (next != 0).then_some((node, next));
        let keys = found.iter().filter_map(|name| names.key(name));
        Ok(Some(keys.collect()))
    }

    /// Removes every record there is. Entries of users' lists go when they are next looked at, or by themselves: one
    /// of a session that begins right now must stay.
    pub(super) async fn remove_all(&self) -> Result<()> {
        let mut scan = self.scan().await?;
        while let Some(keys) = self.more_keys(&mut scan).await? {
            let removing = keys.iter().map(|key| self.unlink(key, Again::May));
            futures_util::future::try_join_all(removing).await?;
        }
        Ok(())
    }
}
