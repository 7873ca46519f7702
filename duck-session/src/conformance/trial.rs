use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use duck::BoxFuture;
use uuid::Uuid;

use super::verdict::{Broken, Verdict, ensure};
use crate::cache::{Cache, Entry};

/// Longer than any check takes.
pub(super) const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

/// Opens the cache that is on trial.
pub(super) type Open<C> = Arc<dyn Fn() -> BoxFuture<'static, C> + Send + Sync>;

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

impl<C: Cache> Trial<C> {
    pub(super) async fn begin(open: Open<C>) -> Self {
        Self {
            cache: Arc::new(open().await),
            mark: Uuid::new_v4().simple().to_string().into(),
            open,
        }
    }

    /// The same trial, with the cache opened again beside the one that is open.
    pub(super) async fn opened_again(&self) -> Self {
        let cache = Arc::new((self.open)().await);
        Self {
            cache,
            ..self.clone()
        }
    }

    /// The same trial, with the cache closed and opened again.
    pub(super) async fn reopened(self) -> Self {
        let Self { cache, open, mark } = self;
        drop(cache);
        let cache = Arc::new(open().await);
        Self { cache, open, mark }
    }

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

    pub(super) async fn remove_expired(&self, limit: usize) -> Result<usize, Broken> {
        let removed = self.cache.remove_expired(limit).await;
        let removed = removed.map_err(|error| Broken::failed("`remove_expired`", &error))?;
        ensure(removed <= limit, || {
            format!("`remove_expired({limit})` says that it removed {removed}")
        })?;
        Ok(removed)
    }

    pub(super) async fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<Entry<'_>>,
    ) -> Result<bool, Broken> {
        let swapped = self.cache.compare_and_swap(key, expected, new).await;
        swapped.map_err(|error| {
            Broken::failed(format_args!("`compare_and_swap` of {}", text(key)), &error)
        })
    }

    /// Reads a key: it has to hold this, at this point of the check.
    pub(super) async fn expect(&self, key: &str, value: Option<&[u8]>, when: &str) -> Verdict {
        let found = self.get(key).await?;
        ensure(found.as_deref() == value, || {
            let (found, value) = (shown(found.as_deref()), shown(value));
            format!("{when}, {} held {found} in place of {value}", text(key))
        })
    }

    /// Swaps a value: that has to succeed, or to be refused.
    pub(super) async fn expect_swap(
        &self,
        key: &str,
        (expected, new): (Option<&[u8]>, Option<&[u8]>),
        succeeds: bool,
        when: &str,
    ) -> Verdict {
        let entry = new.map(|new| Entry::new(new).ttl(Duration::from_secs(3600)).durable());
        let swapped = self.swap(key, expected, entry).await?;
        ensure(swapped == succeeds, || {
            let (expected, new) = (shown(expected), shown(new));
            format!("{when}, a swap of {expected} for {new} gave {swapped} in place of {succeeds}")
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
