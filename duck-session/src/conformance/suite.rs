use std::fmt;
use std::time::Duration;

use tokio::time::timeout;

use super::promise::{AskedOf, Promise};
use super::report::{Check, Outcome, Report};
use super::verdict::{Broken, Verdict};

/// No check of a storage that works takes so long, however far away it is.
const DEADLINE: Duration = Duration::from_secs(60);

/// The checks of one storage, and what it promises beyond the least. [`store::suite`](super::store::suite)
/// and [`cache::suite`](super::cache::suite) make one.
///
/// ```
/// use duck_session::conformance;
/// use duck_session::store::KeyAsFolderCache;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let temp = tempfile::tempdir().unwrap();
/// let dir = temp.path().join("sessions");
/// let open = move || {
///     let dir = dir.clone();
///     async { KeyAsFolderCache::open(dir).await.unwrap() }
/// };
/// let suite = conformance::store::suite(open);
/// let report = suite.outlives_a_restart().is_shared().report().await;
/// assert!(report.is_kept(), "{report}");
/// # }
/// ```
pub struct Suite {
    promises: Vec<Promise>,
    /// What sessions over the storage promise.
    of_sessions: Vec<Promise>,
    outlives_a_restart: bool,
    is_shared: bool,
    only: Option<String>,
}

impl Suite {
    pub(super) fn new(promises: Vec<Promise>, of_sessions: Vec<Promise>) -> Self {
        Self {
            promises,
            of_sessions,
            outlives_a_restart: false,
            is_shared: false,
            only: None,
        }
    }

    /// Says that what was stored is there when the storage is closed and `open` opens it again.
    #[must_use]
    pub fn outlives_a_restart(mut self) -> Self {
        self.outlives_a_restart = true;
        self
    }

    /// Says that all that `open` opens is one storage, also while several are open: in several
    /// processes, say. For stores: no cache is asked for it, since Duck uses one from one process.
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
    /// When the storage breaks a promise. The message names every promise it broke and what was seen.
    pub async fn run(self) {
        let report = self.report().await;
        assert!(report.is_kept(), "{report}");
    }

    /// Runs every check and says what came of each. Sessions are tried only over a storage that
    /// keeps its own promises: they would break for the same reasons.
    pub async fn report(self) -> Report {
        let mut checks = Vec::new();
        for promise in &self.promises {
            checks.push(self.check(promise).await);
        }
        let is_kept = Report::new(checks.clone()).is_kept();
        for promise in &self.of_sessions {
            checks.push(if is_kept {
                self.check(promise).await
            } else {
                promise.came_to(Outcome::Skipped("the storage breaks promises of its own"))
            });
        }
        Report::new(checks)
    }

    async fn check(&self, promise: &Promise) -> Check {
        let is_chosen = self.only.as_ref().is_none_or(|only| only == promise.name);
        promise.came_to(match promise.asked_of {
            _ if !is_chosen => Outcome::Skipped("another check was asked for"),
            AskedOf::Outliving if !self.outlives_a_restart => {
                Outcome::Skipped("the suite was not told that it outlives a restart")
            }
            AskedOf::Shared if !self.is_shared => {
                Outcome::Skipped("the suite was not told that it is shared")
            }
            _ => match verdict(promise).await {
                Ok(()) => Outcome::Kept,
                Err(broken) => Outcome::Broken(broken.into_text()),
            },
        })
    }
}

/// Runs a check in a task of its own: neither a panic nor a storage that hangs ends the suite.
async fn verdict(promise: &Promise) -> Verdict {
    match timeout(DEADLINE, tokio::spawn((promise.check)())).await {
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

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("outlives_a_restart", &self.outlives_a_restart)
            .field("is_shared", &self.is_shared)
            .finish_non_exhaustive()
    }
}
