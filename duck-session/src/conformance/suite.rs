use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::promise::{AskedOf, Promise};
use super::report::{Check, Outcome, Report};
use super::trial::{Open, Trial};
use super::verdict::{Broken, Verdict};
use super::{any_value, listing, race, reopening, sessions, swap, time};
use crate::cache::Cache;

/// No check of a cache that works takes so long, however far away its store is.
const DEADLINE: Duration = Duration::from_secs(60);

/// The checks of one cache, and what it promises beyond the least.
///
/// ```
/// use duck_session::cache::KeyAsFolderCache;
/// use duck_session::conformance::Suite;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let temp = tempfile::tempdir().unwrap();
/// let dir = temp.path().join("sessions");
/// let open = move || {
///     let cache = KeyAsFolderCache::open(&dir).unwrap();
///     async { cache }
/// };
/// let report = Suite::new(open).outlives_a_restart().is_shared().report().await;
/// assert!(report.is_kept(), "{report}");
/// # }
/// ```
pub struct Suite<C> {
    open: Open<C>,
    outlives_a_restart: bool,
    is_shared: bool,
    only: Option<String>,
}

impl<C: Cache> Suite<C> {
    /// The suite for a cache that `open` opens.
    pub fn new<F>(open: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = C> + Send + 'static,
    {
        Self {
            open: Arc::new(move || Box::pin(open())),
            outlives_a_restart: false,
            is_shared: false,
            only: None,
        }
    }

    /// Says that what was saved is there when the cache is closed and `open` opens it again.
    #[must_use]
    pub fn outlives_a_restart(mut self) -> Self {
        self.outlives_a_restart = true;
        self
    }

    /// Says that all caches that `open` opens are one storage, also while several are open: in
    /// several processes, say.
    #[must_use]
    pub fn is_shared(mut self) -> Self {
        self.is_shared = true;
        self
    }

    /// Runs the check of this name alone: while a mistake is being looked for.
    #[must_use]
    pub fn only(mut self, check: &str) -> Self {
        self.only = Some(check.to_owned());
        self
    }

    /// Runs every check.
    ///
    /// # Panics
    ///
    /// When the cache breaks a promise. The message names every promise it broke and what was seen.
    pub async fn run(self) {
        let report = self.report().await;
        assert!(report.is_kept(), "{report}");
    }

    /// Runs every check and says what came of each. Sessions are tried only over a cache that keeps
    /// its own promises: they would break for the same reasons.
    pub async fn report(self) -> Report {
        let mut checks = Vec::new();
        for promise in of_the_cache() {
            checks.push(self.check(&promise).await);
        }
        let is_kept = Report::new(checks.clone()).is_kept();
        for promise in of_sessions() {
            checks.push(if is_kept {
                self.check(&promise).await
            } else {
                promise.came_to(Outcome::Skipped("the cache breaks promises of its own"))
            });
        }
        Report::new(checks)
    }

    async fn check(&self, promise: &Promise<C>) -> Check {
        let is_chosen = self.only.as_ref().is_none_or(|only| only == promise.name);
        promise.came_to(match promise.asked_of {
            _ if !is_chosen => Outcome::Skipped("another check was asked for"),
            AskedOf::Atomic if !C::ATOMIC => Outcome::Skipped(
                "`ATOMIC` is false: the engine lets one writer at a time near a key",
            ),
            AskedOf::Outliving if !self.outlives_a_restart => {
                Outcome::Skipped("the suite was not told that it outlives a restart")
            }
            AskedOf::Shared if !self.is_shared => {
                Outcome::Skipped("the suite was not told that it is shared")
            }
            _ => match self.verdict(promise).await {
                Ok(()) => Outcome::Kept,
                Err(broken) => Outcome::Broken(broken.into_text()),
            },
        })
    }

    /// Runs a check in a task of its own: neither a panic nor a cache that hangs ends the suite.
    async fn verdict(&self, promise: &Promise<C>) -> Verdict {
        let (open, check) = (self.open.clone(), promise.check);
        let task = tokio::spawn(async move { check(Trial::begin(open).await).await });
        match timeout(DEADLINE, task).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(ended)) => Err(match ended.try_into_panic() {
                Ok(panic) => Broken::panicked(&*panic),
                Err(ended) => Broken::because(ended.to_string()),
            }),
            Err(_) => Err(Broken::because(format!(
                "it was not done after {} seconds",
                DEADLINE.as_secs()
            ))),
        }
    }
}

impl<C> fmt::Debug for Suite<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("outlives_a_restart", &self.outlives_a_restart)
            .field("is_shared", &self.is_shared)
            .finish_non_exhaustive()
    }
}

macro_rules! promises {
    ($($asked_of:ident: $module:ident::$check:ident $text:literal,)*) => {
        vec![$(Promise {
            name: stringify!($check),
            text: $text,
            asked_of: AskedOf::$asked_of,
            check: |trial| Box::pin($module::$check(trial)),
        },)*]
    };
}

/// What there is to a cache: first alone, then with others.
fn of_the_cache<C: Cache>() -> Vec<Promise<C>> {
    promises! {
        All: any_value::reads_what_was_written "what was set last is what is read",
        All: any_value::keeps_any_bytes "a value is any bytes: NUL, line ends, no bytes at all",
        All: any_value::keeps_large_values "a value may have a mebibyte",
        All: any_value::takes_any_key "a key is any text, the empty one too",
        All: any_value::keeps_keys_apart "keys that look alike hold each their own value",
        All: any_value::deletes "a deleted key is gone, alone, and deleting it again is no error",
        All: any_value::clears "`clear` leaves nothing, and the cache goes on",
        All: any_value::saves_at_any_time "`save` may be called at any time and changes nothing",
        All: time::expires "an entry is there until its time is over, and not after",
        All: time::counts_from_the_last_write "a write replaces the time with its own, or with none",
        All: time::takes_any_time "a time of zero is over at once, the longest is for ever",
        All: time::expired_is_absent_to_a_swap "to a swap, an expired entry is none",
        All: time::removes_only_what_expired "`remove_expired` removes expired entries, no more than asked",
        All: listing::lists_each_entry_once "`page`, where there is one, lists each entry once",
        All: swap::creates_only_if_absent "a swap that expects nothing overwrites nothing",
        All: swap::swaps_only_what_is_expected "a swap is made if the value is the expected one, else not",
        All: swap::keeps_what_was_deleted_deleted "a late swap brings nothing back",
        Atomic: race::lets_one_of_many_create "of many who create a key at once, one does",
        Atomic: race::counts_every_swap "no swap of many at once is lost",
        Atomic: race::lets_no_swap_undo_a_delete "a delete is final, whatever races it",
        All: race::leaves_whole_values "a reader beside writers sees whole values",
        All: race::keeps_writers_apart "writers of different keys do not meet",
        Outliving: reopening::is_there_after_reopening "what was saved is there when it is opened again",
        Shared: reopening::is_one_storage "what one handle writes, all others read at once",
    }
}

/// What sessions over it promise.
fn of_sessions<C: Cache>() -> Vec<Promise<C>> {
    promises! {
        All: sessions::knows_a_visitor_again "a session is found again, and gone after a logout",
        All: sessions::counts_parallel_updates "of 200 updates of one session at once, all count",
        All: sessions::keeps_both_keys "two requests keep each other's values",
        All: sessions::keeps_a_logout "a slow save does not undo a logout",
        All: sessions::leaves_no_old_id "a new id leaves nothing under the old one",
        Outliving: sessions::outlive_the_site "sessions outlive the site, logouts too",
        Shared: sessions::two_sites_share "two sites over one storage count together",
    }
}
