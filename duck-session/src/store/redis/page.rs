//! Going through all sessions.
//!
//! `SCAN` gives names in no order, and some twice. So the keys of a pass are sorted, and a page goes on behind the last
//! key of the one before.

use redis::cmd;

use super::connection::Again;
use super::listing::Listing;
use super::{RedisCache, failure};
use crate::store::{Page, SessionKey};
use duck::Result;

/// How many keys are kept in memory at once: 16 MiB.
const MOST_KEYS: usize = 1 << 20;

/// How many names the server looks at for one `SCAN`, in which nobody else is served.
const NAMES_AT_ONCE: usize = 500;

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
        for node in self.0.connection.nodes().await.map_err(failure)? {
            let mut cursor = 0;
            loop {
                let (next, keys) = self.scan(node, cursor).await?;
                let behind = |key: &SessionKey| after.is_none_or(|after| *key > after);
                listing.keys.extend(keys.into_iter().filter(behind));
                if listing.keys.len() > 2 * MOST_KEYS {
                    listing.is_cut |= first(&mut listing.keys);
                }
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        listing.is_cut |= first(&mut listing.keys);
        listing.keys.reverse();
        Ok(listing)
    }

    async fn unlink(&self, key: &SessionKey) -> Result<()> {
        let mut unlink = cmd("UNLINK");
        unlink.arg(self.0.names.session(key));
        let asking = self.0.connection.ask(&unlink, Again::May);
        asking.await.map(|_: u64| ()).map_err(failure)
    }

    /// A part of a node's keys, and where the next one begins; 0 after the last.
    async fn scan(&self, node: Option<u16>, cursor: u64) -> Result<(u64, Vec<SessionKey>)> {
        let names = &self.0.names;
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(names.all_sessions());
        scan.arg("COUNT").arg(NAMES_AT_ONCE);
        // A cursor means something to the server that gave it, and to no other.
        let asking = self.0.connection.ask_node(&scan, Again::MustNot, node);
        let (next, found): (u64, Vec<Vec<u8>>) = asking.await.map_err(failure)?;
        let keys = found.iter().filter_map(|name| names.key(name));
        Ok((next, keys.collect()))
    }

    /// Removes every record there is. Entries of users' lists go when they are next looked at, or by themselves: one
    /// of a session that begins right now must stay.
    pub(super) async fn remove_all(&self) -> Result<()> {
        for node in self.0.connection.nodes().await.map_err(failure)? {
            let mut cursor = 0;
            loop {
                let (next, keys) = self.scan(node, cursor).await?;
                if !keys.is_empty() {
                    let removing = keys.iter().map(|key| self.unlink(key));
                    futures_util::future::try_join_all(removing).await?;
                }
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(())
    }
}
