use std::fmt;
use std::time::Duration;

use bytes::Bytes;

/// A part of what a cache holds: see [`Cache::page`](super::Cache::page).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Page {
    /// What is stored, in no order that anybody may count on.
    pub entries: Vec<Listed>,
    /// How many more are there that cannot be read: damaged, or something else in their place.
    pub unreadable: usize,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<String>,
}

impl Page {
    /// A page with these entries, and where the next one begins.
    pub fn new(entries: Vec<Listed>, next: Option<String>) -> Self {
        Self {
            entries,
            unreadable: 0,
            next,
        }
    }
}

/// An entry as it is stored.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// Its key, or another name under which the cache finds it.
    pub key: String,
    /// The bytes.
    pub value: Bytes,
    /// How long it stays; zero where its time is over and nobody has removed it yet, `None` where it
    /// stays for ever or the cache does not know.
    pub ttl: Option<Duration>,
}

impl Listed {
    /// The entry `key` with these bytes, that stays for `ttl`.
    pub fn new(key: impl Into<String>, value: impl Into<Bytes>, ttl: Option<Duration>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
            ttl,
        }
    }

    /// Whether its time is over.
    pub fn is_expired(&self) -> bool {
        self.ttl.is_some_and(|ttl| ttl.is_zero())
    }
}

impl fmt::Debug for Listed {
    /// Neither the key nor the bytes: in memory they may be an id and a visitor's data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listed")
            .field("bytes", &self.value.len())
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}
