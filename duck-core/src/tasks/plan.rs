//! A task and its turns, while the site serves.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::run::{Outcome, Runner};
use super::schedule::Schedule;
use super::task::Task;
use super::turns::Turns;
use crate::BoxFuture;
use crate::app::context::Context;
use crate::app::lease::LeaseSlot;
use crate::error::Result;

/// What a task does.
pub(super) type Run = Box<dyn Fn(Task) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// A task of a site that starts.
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) schedule: Schedule,
    pub(super) run: Run,
    pub(super) leases: LeaseSlot,
}

impl Plan {
    pub(super) fn new(name: String, schedule: Schedule, run: Run, leases: LeaseSlot) -> Self {
        Self {
            name,
            schedule,
            run,
            leases,
        }
    }

    /// Runs it at its turns until the site is asked to stop, and to the end of the run that goes on by then.
    pub(super) async fn follow(self: Arc<Self>, context: Arc<Context>) {
        let runner = Runner::new(&self, &context);
        if matches!(self.schedule, Schedule::Once) {
            if !context.stopping.has_begun() {
                let _ = runner.run_here(now().as_secs()).await;
            }
            return;
        }
        let mut turns = Turns::new(&self.schedule, now);
        let mut was_late = false;
        loop {
            let turn = tokio::select! {
                biased;
                () = context.stopping.begun() => None,
                turn = turns.next() => turn,
            };
            let Some(turn) = turn else {
                return;
            };
            let outcome = runner.run_turn(turn).await;
            let is_late = turns.pass_over() && !matches!(outcome, Outcome::Elsewhere);
            if is_late && !was_late {
                tracing::warn!(target: "duck", task = self.name, schedule = %self.schedule,
                    "a task takes longer than the time between its turns: some are passed over");
            }
            was_late = is_late;
        }
    }
}

/// Since 1970, UTC.
pub(super) fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
