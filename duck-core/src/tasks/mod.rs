//! Work at set times: every ten minutes, at three in the morning, once when the site starts.
//!
//! [`Tasks`] is a component. The guide is `docs/tasks.md`.

#[cfg(feature = "cli")]
mod command;
mod follow;
mod plan;
mod plans;
mod run;
mod schedule;
mod task;
mod turns;
#[cfg(feature = "cli")]
pub(crate) mod unshared;

use std::fmt;
use std::sync::Arc;

use self::plan::Plan;
use self::plans::Plans;
use self::schedule::Schedule;
pub use self::task::Task;
use crate::app::component::Component;
use crate::app::setup::Setup;
use crate::error::{Error, Result};

/// Runs functions of the site's at set times, beside the requests.
///
/// ```
/// use duck::prelude::*;
/// use duck::tasks::{Task, Tasks};
///
/// async fn sweep(task: Task) -> Result<()> {
///     let _settings = task.settings();
///     Ok(())
/// }
///
/// async fn report(_task: Task) -> Result<()> {
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let tasks = Tasks::new()
///     .every("10 min", "sweep carts", sweep)
///     .at("0 3 * * *", "report", report)
///     .once("warm up", async |_task| Ok(()));
/// App::new(Settings::default()).with(tasks).start().await?;
/// # Ok(())
/// # }
/// ```
///
/// * Times are UTC: no hour comes twice or never. Turns lie on the clock: every ten minutes is at 3:00, 3:10, 3:20, whenever
///   the site was started.
/// * A task runs one at a time. Turns that come while it runs are passed over; the log says so once.
/// * An error or a panic is written to the log, with its line, and the next turn comes.
/// * When the site stops, no turn begins any more. What runs has `SHUTDOWN_TIMEOUT` to end, and is dropped then, at its
///   next `.await`.
/// * Where the sessions are in a storage that processes share, one of them runs a turn, and no turn runs twice: see
///   [`Leases`](crate::app::Leases). Else each process runs its own. [`once`](Self::once) runs in each of them.
/// * They run while the site serves: neither in its other commands nor under a `TestClient`. `./mysite tasks` lists them,
///   and `./mysite tasks run NAME` runs one now.
///
/// A site can have several `Tasks`: one for each of its parts. The names of all of them differ.
///
/// # Errors
///
/// The site does not start where a time cannot be read or never comes, or a name is there twice.
#[derive(Default)]
pub struct Tasks {
    /// An error says why there is no such time.
    plans: Vec<(String, Result<Schedule, String>, plan::Run)>,
}

impl Tasks {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a function every so often: `"30s"`, `"10 min"`, `"1h 30m"`; whole seconds. Turns are counted from midnight of
    /// 1970-01-01, UTC.
    #[must_use]
    pub fn every<F>(
        self,
        interval: &str,
        name: &str,
        run: impl Fn(Task) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.add(Schedule::every(interval), name, run)
    }

    /// Runs a function at the times that five fields of cron name: minute, hour, day of the month, month, day of the week.
    /// `"0 3 * * *"` is every day at 3:00, `"*/15 8-18 * * MON-FRI"` every quarter of an hour on workdays; `"@daily"`,
    /// `"@hourly"` and the like are known too.
    #[must_use]
    pub fn at<F>(
        self,
        cron: &str,
        name: &str,
        run: impl Fn(Task) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.add(Schedule::cron(cron), name, run)
    }

    /// Runs a function once, when the site has started: to fill a cache, say. Requests do not wait for it.
    #[must_use]
    pub fn once<F>(self, name: &str, run: impl Fn(Task) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.add(Ok(Schedule::Once), name, run)
    }

    fn add<F>(
        mut self,
        schedule: Result<Schedule, String>,
        name: &str,
        run: impl Fn(Task) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let run: plan::Run = Box::new(move |task| Box::pin(run(task)));
        self.plans.push((name.to_owned(), schedule, run));
        self
    }
}

/// The site's list of tasks. The first component with tasks makes it.
fn plans_of(setup: &mut Setup<'_>) -> Plans {
    if let Ok(plans) = setup.get::<Plans>() {
        return plans.clone();
    }
    let plans = Plans::default();
    setup.insert(plans.clone());
    #[cfg(feature = "cli")]
    command::add(setup, plans.clone());
    plans
}

impl Component for Tasks {
    async fn start(self, setup: &mut Setup<'_>) -> Result<()> {
        let plans = plans_of(setup);
        for (name, schedule, run) in self.plans {
            let schedule =
                schedule.map_err(|why| Error::internal(format!("the task {name:?}: {why}")))?;
            let plan = Arc::new(Plan {
                name,
                schedule,
                run,
                leases: setup.leases.clone(),
            });
            plans.add(&plan)?;
            setup.work(move |context| follow::follow(plan.clone(), context));
        }
        Ok(())
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.plans.iter().map(|(name, ..)| name);
        f.debug_list().entries(names).finish()
    }
}
