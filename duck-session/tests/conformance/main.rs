//! The published suites on every storage that comes with Duck and on one of five methods, and on storages
//! that are broken on purpose: each has to fail.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod broken_caches;
mod broken_stores;
mod guide;
mod stores;
