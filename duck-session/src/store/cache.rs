use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use duck::Result;

/// Keeps bytes under a key for a while.
///
/// These five methods make a storage of your own: write them as `async fn`, register the type under a
/// name, and `SESSION_STORAGE` takes that name. Sessions over it are safe from lost updates within one
/// process. A storage that several processes share is a [`SessionStore`](super::SessionStore) instead.
///
/// A key is any text and a value any bytes, up to a mebibyte at least. The suite in
/// `duck_session::conformance::cache` holds a cache to all that is promised here.
pub trait Cache: Send + Sync + 'static {
    /// Stores `value` under `key`, in place of what was there. After `ttl` the entry is gone; without one
    /// it stays until it is deleted.
    fn set(
        &self,
        key: &str,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// The value under `key`, or `None` when there is none or its time is over.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Bytes>>> + Send;

    /// Removes `key`. A key that is not there is no error.
    fn delete(&self, key: &str) -> impl Future<Output = Result<()>> + Send;

    /// Removes every key.
    fn clear(&self) -> impl Future<Output = Result<()>> + Send;

    /// Makes what was written so far durable, where the storage buffers. Called after each write of a
    /// session and when the site stops.
    fn save(&self) -> impl Future<Output = Result<()>> + Send {
        ready(Ok(()))
    }
}

/// A cache that several parts of a site share.
impl<C: Cache> Cache for Arc<C> {
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
}
