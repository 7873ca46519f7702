use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::super::promise::Open;
use super::super::verdict::{Broken, Verdict, ensure};
use crate::store::Cache;

/// Longer than any check takes.
pub(super) const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

/// A cache on trial: its methods, with errors that say which of them failed.
pub(super) struct Trial<C> {
    cache: C,
    /// Ends each key, so that no check meets what another one left.
    mark: String,
}

impl<C: Cache> Trial<C> {
    pub(super) async fn begin(open: Open<C>) -> Self {
        let mark = Uuid::new_v4().simple().to_string();
        let cache = open().await;
        Self { cache, mark }
    }

    /// A key that no other check uses.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{name}-{}", self.mark)
    }

    pub(super) async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Verdict {
        let done = self.cache.set(key, value, ttl).await;
        done.map_err(|error| {
            Broken::failed(format_args!("`set` of the key {}", shown(key)), &error)
        })
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Bytes>, Broken> {
        let found = self.cache.get(key).await;
        found.map_err(|error| {
            Broken::failed(format_args!("`get` of the key {}", shown(key)), &error)
        })
    }

    pub(super) async fn delete(&self, key: &str) -> Verdict {
        let done = self.cache.delete(key).await;
        done.map_err(|error| {
            Broken::failed(format_args!("`delete` of the key {}", shown(key)), &error)
        })
    }

    /// Reads a key: it has to hold this, at this point of the check.
    pub(super) async fn expect(&self, key: &str, value: Option<&[u8]>, when: &str) -> Verdict {
        let found = self.get(key).await?;
        ensure(found.as_deref() == value, || {
            let [found, value] = [found.as_deref(), value]
                .map(|value| value.map_or_else(|| "nothing".to_owned(), shown));
            format!(
                "{when}, the key {} held {found} in place of {value}",
                shown(key)
            )
        })
    }
}

/// A key or a value for a message, cut short.
fn shown(bytes: impl AsRef<[u8]>) -> String {
    const MOST: usize = 40;
    let bytes = bytes.as_ref();
    let first = bytes[..bytes.len().min(MOST)].escape_ascii();
    let dots = if bytes.len() > MOST { "…" } else { "" };
    format!("\"{first}{dots}\"")
}
