//! What every [`Cache`] promises, as a suite that its author runs.
//!
//! ```
//! use duck_session::conformance;
//! use duck_session::store::InMemoryCache;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() { keeps_the_contract().await }
//! # /*
//! #[tokio::test]
//! # */
//! async fn keeps_the_contract() {
//!     let suite = conformance::cache::suite(|| async { InMemoryCache::default() });
//!     suite.run().await;
//! }
//! ```

mod keys;
mod time;
mod trial;

use std::sync::Arc;

use self::trial::Trial;
use super::promise::{AskedOf, Open, Promise, promises};
use super::store::{of_sessions, of_the_store};
use super::suite::Suite;
use crate::Clock;
use crate::store::{Cache, OverCache};

/// The suite for a cache that `open` opens. Most of it is that of a store, over the store that Duck makes of the
/// cache. No cache is asked for what several handles do: Duck uses one from one process.
pub fn suite<C, F>(open: impl Fn() -> F + Send + Sync + 'static) -> Suite
where
    C: Cache,
    F: Future<Output = C> + Send + 'static,
{
    let open: Open<C> = Arc::new(move || Box::pin(open()));
    let mut promises = of_the_cache(&open);
    let store: Open<OverCache<C>> = Arc::new(move || {
        let cache = open();
        Box::pin(async { OverCache::new(cache.await, Clock::default()) })
    });
    promises.extend(of_the_store(&store));
    let mut of_sessions = of_sessions(&store);
    for promises in [&mut promises, &mut of_sessions] {
        promises.retain(|promise| promise.asked_of != AskedOf::Shared);
    }
    Suite::new(promises, of_sessions)
}

fn of_the_cache<C: Cache>(open: &Open<C>) -> Vec<Promise> {
    promises! { open, Trial<C>:
        All: keys::takes_any_key "a key is any text, the empty one too",
        All: keys::tells_keys_apart "keys that look alike hold each their own value",
        All: time::expires "an entry is there until its time is over, and not after",
        All: time::counts_from_the_last_write "a write replaces the time with its own, or with none",
        All: time::takes_any_time "a time of zero is over at once, the longest is for ever",
    }
}
