use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::super::promise::Open;
use super::super::sessions;
use super::super::verdict::{Broken, Verdict, ensure};
use crate::SessionMiddleware;
use crate::store::Cache;

/// Longer than any check takes.
pub(super) const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

/// A cache on trial: its methods, with errors that say which of them failed.
pub(super) struct Trial<C> {
    pub(super) cache: Arc<C>,
    pub(super) open: Open<C>,
    /// Ends each key, so that no check meets what another one left.
    mark: Arc<str>,
}

impl<C> Clone for Trial<C> {
    fn clone(&self) -> Self {
        Self {
            cache: self.cache.clone(),
            open: self.open.clone(),
            mark: self.mark.clone(),
        }
    }
}

impl<C: Cache> sessions::Trial for Trial<C> {
    type Storage = C;

    async fn begin(open: Open<C>) -> Self {
        Self {
            cache: Arc::new(open().await),
            mark: Uuid::new_v4().simple().to_string().into(),
            open,
        }
    }

    async fn opened_again(&self) -> Self {
        let cache = Arc::new((self.open)().await);
        Self {
            cache,
            ..self.clone()
        }
    }

    async fn reopened(self) -> Self {
        let Self { cache, open, mark } = self;
        drop(cache);
        let cache = Arc::new(open().await);
        Self { cache, open, mark }
    }

    fn sessions(&self, name: &str) -> SessionMiddleware {
        let cache = self.cache.clone();
        SessionMiddleware::new().cache(name, move |_| Ok(cache.clone()))
    }
}

impl<C: Cache> Trial<C> {
    /// A key that no other check uses.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{name}-{}", self.mark)
    }

    pub(super) async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Verdict {
        let done = self.cache.set(key, value, ttl).await;
        done.map_err(|error| Broken::failed(format_args!("`set` of {}", text(key)), &error))
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Bytes>, Broken> {
        let found = self.cache.get(key).await;
        found.map_err(|error| Broken::failed(format_args!("`get` of {}", text(key)), &error))
    }

    pub(super) async fn delete(&self, key: &str) -> Verdict {
        let done = self.cache.delete(key).await;
        done.map_err(|error| Broken::failed(format_args!("`delete` of {}", text(key)), &error))
    }

    pub(super) async fn clear(&self) -> Verdict {
        let done = self.cache.clear().await;
        done.map_err(|error| Broken::failed("`clear`", &error))
    }

    pub(super) async fn save(&self) -> Verdict {
        let done = self.cache.save().await;
        done.map_err(|error| Broken::failed("`save`", &error))
    }

    /// Reads a key: it has to hold this, at this point of the check.
    pub(super) async fn expect(&self, key: &str, value: Option<&[u8]>, when: &str) -> Verdict {
        let found = self.get(key).await?;
        ensure(found.as_deref() == value, || {
            let (found, value) = (shown(found.as_deref()), shown(value));
            format!("{when}, {} held {found} in place of {value}", text(key))
        })
    }
}

/// A value for a message, cut short.
pub(super) fn shown(value: Option<&[u8]>) -> String {
    const MOST: usize = 40;
    match value {
        None => "nothing".to_owned(),
        Some(bytes) if bytes.len() <= MOST => format!("b\"{}\"", bytes.escape_ascii()),
        Some(bytes) => format!(
            "b\"{}…\" ({} bytes)",
            bytes[..MOST].escape_ascii(),
            bytes.len()
        ),
    }
}

/// A key for a message, cut short.
fn text(key: &str) -> String {
    let short: String = key.chars().take(20).collect();
    if short.len() < key.len() {
        format!("the key {:?}", short + "…")
    } else {
        format!("the key {short:?}")
    }
}
