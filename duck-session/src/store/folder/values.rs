//! A site's own data, kept like sessions in a folder beside them.

use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

use bytes::Bytes;

use super::record::Wait;
use super::store::{Created, Store};
use crate::clock::Clock;
use crate::store::bounds::Bounds;
use crate::store::{SessionKey, StoredSession, Version};

const FORMAT: &str = "values-v2";

/// The folder is made when something is stored in it or looked for.
#[derive(Debug)]
pub(super) struct Values {
    dir: PathBuf,
    store: OnceLock<Store>,
}

impl Values {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            store: OnceLock::new(),
        }
    }

    pub(super) fn store(&self) -> io::Result<&Store> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let mut store = Store::open(&self.dir, FORMAT)?;
        store.room.bounds = Bounds::NONE;
        Ok(self.store.get_or_init(|| store))
    }

    /// Where nothing was ever stored there is nothing to remove.
    pub(super) fn remove_expired(&self, now: u64, limit: usize) -> io::Result<usize> {
        if self.store.get().is_none() && !self.dir.join(FORMAT).exists() {
            return Ok(0);
        }
        self.store()?.remove_expired(now, limit)
    }

    pub(super) fn set(
        &self,
        key: &SessionKey,
        value: &Bytes,
        expires: u64,
        wait: Wait,
    ) -> io::Result<()> {
        let store = self.store()?;
        loop {
            let version = store.load(key, wait)?.map(|stored| stored.version());
            let next = version.map_or_else(Version::first, Version::next);
            let entry = StoredSession::new(*key, next, None, expires, value.clone());
            let is_stored = match version {
                Some(version) => store.replace(version, &entry, false, wait)?,
                None => store.create(&entry, false, wait)? == Created::Yes,
            };
            if is_stored {
                return Ok(());
            }
        }
    }

    pub(super) fn get(&self, key: &SessionKey, wait: Wait) -> io::Result<Option<Bytes>> {
        let Some(entry) = self.store()?.load(key, wait)? else {
            return Ok(None);
        };
        // The clock is read last: what was written as expired a moment ago is expired.
        let is_over = entry.expires() <= Clock::default().now();
        Ok((!is_over).then(|| entry.bytes().clone()))
    }
}
