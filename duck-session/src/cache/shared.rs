use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use duck::Result;

use super::{Cache, Entry, Page};

/// A cache that a site shares with something else of its own.
impl<C: Cache> Cache for Arc<C> {
    const ATOMIC: bool = C::ATOMIC;
    const IN_PROCESS: bool = C::IN_PROCESS;

    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        C::set(self, key, value, ttl).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        C::get(self, key).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        C::delete(self, key).await
    }

    async fn clear(&self) -> Result<()> {
        C::clear(self).await
    }

    async fn save(&self) -> Result<()> {
        C::save(self).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Entry<'_>>,
    ) -> Result<bool> {
        C::compare_and_swap(self, key, expected, new).await
    }

    async fn remove_expired(&self, limit: usize) -> Result<usize> {
        C::remove_expired(self, limit).await
    }

    async fn page(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        C::page(self, after, limit).await
    }
}
