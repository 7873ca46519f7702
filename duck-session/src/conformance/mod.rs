//! What every [`Cache`] promises, as a suite that its author runs.
//!
//! A storage that keeps bytes most of the time is easily written. What sessions need of it shows
//! only when two requests meet, when a time is over, or when a logout races a slow save. This suite
//! looks for that: three lines in the tests of a cache are enough.
//!
//! ```
//! # mod my_cache {
//! use duck_session::cache::InMemoryCache;
//! # pub struct MyCache;
//! # impl MyCache { pub async fn open() -> InMemoryCache { InMemoryCache::new(1000, 16 << 20) } }
//! # }
//! # use my_cache::MyCache;
//! # #[tokio::main(flavor = "current_thread")] async fn main() { keeps_the_contract().await }
//! # /*
//! #[tokio::test]
//! # */
//! async fn keeps_the_contract() {
//!     duck_session::conformance::run(|| async { MyCache::open().await }).await;
//! }
//! ```
//!
//! Each check opens the cache anew and uses keys of its own, so that all may open the same storage.
//! It has to be one for tests: the suite clears it. Checks of things that race run on threads of
//! their own, whatever runtime the test has. The whole takes a few seconds; the clock of the runtime
//! must not be paused.
//!
//! [`Suite`] says more about a cache (that it outlives a restart, that several may be open on one
//! storage) and gives a [`Report`] in place of a panic. The feature `conformance` turns this on; give
//! it to the dev-dependency alone.

mod any_value;
mod listing;
mod promise;
mod race;
mod reopening;
mod report;
mod sessions;
mod suite;
mod swap;
mod threads;
mod time;
mod trial;
mod verdict;

use std::future::Future;

use crate::cache::Cache;

pub use self::report::{Check, Outcome, Report};
pub use self::suite::Suite;

/// Runs every check on a cache that `open` opens.
///
/// # Panics
///
/// When the cache breaks a promise. The message names every promise it broke and what was seen.
pub async fn run<C, F>(open: impl Fn() -> F + Send + Sync + 'static)
where
    C: Cache,
    F: Future<Output = C> + Send + 'static,
{
    Suite::new(open).run().await;
}
