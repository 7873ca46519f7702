//! What every [`Cache`] promises, as a suite that its author runs.
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::Mutex;
//! use std::time::{Duration, Instant};
//!
//! use duck::{Bytes, Result};
//! use duck_session::conformance;
//! use duck_session::store::Cache;
//!
//! /// Values with their ends.
//! #[derive(Default)]
//! struct MapCache(Mutex<HashMap<String, (Bytes, Option<Instant>)>>);
//!
//! impl Cache for MapCache {
//!     async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
//!         // A time so long that no clock reaches its end is no end.
//!         let end = ttl.and_then(|ttl| Instant::now().checked_add(ttl));
//!         let entry = (Bytes::copy_from_slice(value), end);
//!         self.0.lock().unwrap().insert(key.to_owned(), entry);
//!         Ok(())
//!     }
//!
//!     async fn get(&self, key: &str) -> Result<Option<Bytes>> {
//!         let map = self.0.lock().unwrap();
//!         let live = map.get(key).filter(|(_, end)| end.is_none_or(|end| end > Instant::now()));
//!         Ok(live.map(|(value, _)| value.clone()))
//!     }
//!
//!     async fn delete(&self, key: &str) -> Result<()> {
//!         self.0.lock().unwrap().remove(key);
//!         Ok(())
//!     }
//!
//!     async fn clear(&self) -> Result<()> {
//!         self.0.lock().unwrap().clear();
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() { keeps_the_contract().await }
//! # /*
//! #[tokio::test]
//! # */
//! async fn keeps_the_contract() {
//!     conformance::cache::run(|| async { MapCache::default() }).await;
//! }
//! ```

mod race;
mod reopening;
mod time;
mod trial;
mod values;

use self::trial::Trial;
use super::promise::{AskedOf, Promise, promises};
use super::sessions;
use super::sessions::Trial as _;
use super::suite::Suite;
use crate::store::Cache;

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
    suite(open).run().await;
}

/// The suite for a cache that `open` opens.
pub fn suite<C, F>(open: impl Fn() -> F + Send + Sync + 'static) -> Suite<C>
where
    C: Cache,
    F: Future<Output = C> + Send + 'static,
{
    Suite::of(open, of_the_cache(), sessions::over_any::<Trial<C>>())
}

fn of_the_cache<C: Cache>() -> Vec<Promise<C>> {
    promises! { Trial<C>:
        All: values::reads_what_was_written "what was set last is what is read",
        All: values::keeps_any_bytes "a value is any bytes: NUL, line ends, no bytes at all",
        All: values::keeps_large_values "a value may have a mebibyte",
        All: values::takes_any_key "a key is any text, the empty one too",
        All: values::keeps_keys_apart "keys that look alike hold each their own value",
        All: values::deletes "a deleted key is gone, alone, and deleting it again is no error",
        All: values::clears "`clear` leaves nothing, and the cache goes on",
        All: values::saves_at_any_time "`save` may be called at any time and changes nothing",
        All: time::expires "an entry is there until its time is over, and not after",
        All: time::counts_from_the_last_write "a write replaces the time with its own, or with none",
        All: time::takes_any_time "a time of zero is over at once, the longest is for ever",
        All: race::leaves_whole_values "a reader beside a writer sees whole values",
        All: race::keeps_writers_apart "writers of different keys do not meet",
        Outliving: reopening::is_there_after_reopening "what was saved is there when it is opened again",
    }
}
