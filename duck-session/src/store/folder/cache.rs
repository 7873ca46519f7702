use std::time::Duration;

use bytes::Bytes;
use duck::Result;
use sha2::{Digest, Sha256};

use super::KeyAsFolderCache;
use crate::clock::{Clock, millis};
use crate::store::{Cache, SessionKey};

/// Of what stays until it is deleted.
const NEVER: u64 = u64::MAX;

impl Cache for KeyAsFolderCache {
    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        let (key, value) = (name(key), Bytes::copy_from_slice(value));
        let expires = ttl.map_or(NEVER, |ttl| {
            Clock::default().now().saturating_add(millis(ttl))
        });
        self.quick(move |inner, wait| inner.values.set(&key, &value, expires, wait))
            .await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let key = name(key);
        self.quick(move |inner, wait| inner.values.get(&key, wait))
            .await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let key = name(key);
        self.blocking(move |inner| inner.values.store()?.remove(&key, None, false).map(drop))
            .await
    }

    async fn clear(&self) -> Result<()> {
        self.blocking(|inner| inner.values.store()?.clear()).await
    }
}

/// No text from outside reaches a path.
fn name(key: &str) -> SessionKey {
    let mut name = [0; 16];
    name.copy_from_slice(&Sha256::digest(key)[..16]);
    SessionKey::from_bytes(name)
}
