use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use duck::Result;

use self::name::Name;
use self::record::Found;
use self::store::{NewRecord, Store};
use super::{Cache, Entry, Page, wrong_cursor};

#[cfg(feature = "commands")]
mod check;
mod name;
mod page;
mod record;
mod store;
mod sweep;

/// Keeps each entry in a folder of its own: plain files that several processes share and that
/// outlive a restart. The default storage.
///
/// ```
/// use duck_session::cache::{Cache, KeyAsFolderCache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> duck::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// # let dir = temp.path().join("sessions");
/// let cache = KeyAsFolderCache::open(&dir)?;
/// cache.set("visits", b"3", None).await?;
///
/// let same = KeyAsFolderCache::open(&dir)?; // in another process, say
/// assert_eq!(same.get("visits").await?.as_deref(), Some(&b"3"[..]));
/// # Ok(())
/// # }
/// ```
///
/// A record is written beside the old one and renamed over it, so that whoever reads sees one or
/// the other, also when the writer is killed. Writers of one key take turns, across processes,
/// under an advisory lock. What an entry with [`durable`](Entry::durable) stores, and what is
/// deleted, is on disk before the call returns; other writes may be lost in a power cut.
///
/// A file that holds no readable record counts as absent and is left alone until the key is
/// written. Something that is no file in its place (a link, a FIFO, a directory) is an error and
/// never followed. Clones share the directory.
#[derive(Debug, Clone)]
pub struct KeyAsFolderCache {
    store: Arc<Store>,
}

impl KeyAsFolderCache {
    /// Opens the directory, which is made, readable to this user alone, where there is none.
    ///
    /// # Errors
    ///
    /// It is a symbolic link, belongs to another user or may be written by others, its file system
    /// has no locks, or it cannot be made or opened. The message says which, and what would be
    /// right.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let store = Arc::new(Store::open(dir.as_ref())?);
        Ok(Self { store })
    }

    /// Whether what is deleted has to survive a power cut, so that no logout is undone by one. On
    /// by default; without it a delete is as durable as any other write.
    ///
    /// Call it before the cache is cloned: afterwards it changes nothing.
    #[must_use]
    pub fn sync_deletes(mut self, sync: bool) -> Self {
        if let Some(store) = Arc::get_mut(&mut self.store) {
            store.sync_deletes = sync;
        }
        self
    }

    /// Does all the file work of one operation in one go, away from the threads that serve
    /// requests. It goes on to its end when the caller is gone.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.store.clone();
        Ok(tokio::task::spawn_blocking(move || work(&store)).await??)
    }
}

impl Cache for KeyAsFolderCache {
    const ATOMIC: bool = true;

    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        let (name, expires) = (Name::of(key), self.store.expiry(ttl));
        let new = NewRecord::new(value, expires, false)?;
        self.blocking(move |store| store.set(&name, &new)).await
    }

    /// Reads on the spot: from the page cache that takes less than handing it to another thread.
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let name = Name::of(key);
        match self.store.get(&name)? {
            Found::Expired(then) => {
                // What cannot be removed is expired all the same; the sweep tells why.
                let _ = self.blocking(move |store| store.forget(&name, then)).await;
                Ok(None)
            }
            found => Ok(found.value()),
        }
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let name = Name::of(key);
        self.blocking(move |store| store.delete(&name)).await
    }

    async fn clear(&self) -> Result<()> {
        self.blocking(Store::clear).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Entry<'_>>,
    ) -> Result<bool> {
        let name = Name::of(key);
        let expected = expected.map(<[u8]>::to_vec);
        let new = new
            .map(|entry| {
                let expires = self.store.expiry(entry.ttl);
                NewRecord::new(entry.value, expires, entry.durable)
            })
            .transpose()?;
        self.blocking(move |store| store.compare_and_swap(&name, expected.as_deref(), new.as_ref()))
            .await
    }

    async fn remove_expired(&self, limit: usize) -> Result<usize> {
        self.blocking(move |store| store.remove_expired(limit))
            .await
    }

    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        let after = after
            .map(|name| Name::parse(name).ok_or_else(wrong_cursor))
            .transpose()?;
        self.blocking(move |store| store.page(after, limit)).await
    }
}

#[cfg(test)]
mod tests;
