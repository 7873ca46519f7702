use crate::app::context::State;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::app::context::Context;
use crate::error::{Error, Result};
use crate::settings::Settings;

/// A run of a timed task, as its function sees it: what it has of the site.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
///
/// use duck::Result;
/// use duck::tasks::Task;
///
/// struct Visits(AtomicU64);
///
/// async fn report(task: Task) -> Result<()> {
///     println!("{} visits today", task.state::<Visits>()?.0.swap(0, Relaxed));
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Task {
    context: Arc<Context>,
    turn: u64,
}

impl Task {
    pub(super) fn new(context: Arc<Context>, turn: u64) -> Self {
        Self { context, turn }
    }

    /// For which time this run was planned: its own, for one that runs at the start or by hand. A report of yesterday
    /// reckons from here, not from a clock that may be past midnight.
    pub fn turn(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.turn)
    }

    /// A value of the site's, of [`App::state`](crate::App::state) or a component: what
    /// [`Request::state`](crate::Request::state) is in a view.
    ///
    /// # Errors
    ///
    /// When the site has none of this type.
    #[track_caller]
    pub fn state<T: Send + Sync + 'static>(&self) -> Result<&T> {
        // `ok_or_else` would name this line rather than the caller's.
        match self.context.state.get() {
            Some(value) => Ok(value),
            None => Err(Error::internal(State::missing::<T>())),
        }
    }

    /// The site's settings.
    pub fn settings(&self) -> &Settings {
        &self.context.settings
    }

    /// Returns when the site was asked to stop: a task that takes long comes to its end then. It has `SHUTDOWN_TIMEOUT`.
    pub async fn stopping(&self) {
        self.context.stopping.begun().await;
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}
