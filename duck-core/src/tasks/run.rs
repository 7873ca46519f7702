//! One run of a task: where several processes could, in one of them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::time::{Instant, sleep, timeout};

use super::plan::Plan;
use super::task::Task;
use crate::app::context::Context;
use crate::app::lease::{Claim, Leases};
use crate::app::log_kind::Kind;
use crate::error::printable::Quoted;
use crate::error::{Error, Result};
use crate::middleware::caught;

/// How long a process that died keeps the others from running a task.
const LEASE: Duration = Duration::from_secs(60);

/// How often it is prolonged while the task runs.
const PROLONG: Duration = Duration::from_secs(15);

const FAILED: &str = "a task failed";

/// Runs a task in this process.
pub(super) struct Runner<'a> {
    plan: &'a Plan,
    context: &'a Arc<Context>,
    holder: [u8; 16],
}

impl<'a> Runner<'a> {
    pub(super) fn new(plan: &'a Plan, context: &'a Arc<Context>) -> Self {
        Self {
            plan,
            context,
            holder: *uuid::Uuid::new_v4().as_bytes(),
        }
    }

    /// Runs a turn, and says whether it did: another process may have it. What fails is in the log.
    pub(super) async fn run_turn(&self, turn: u64) -> bool {
        match self.run_if_granted(turn).await {
            Ok(Some(_)) => true,
            Ok(None) => {
                tracing::debug!(target: "duck", task = self.plan.name, turn, "another process has this turn");
                false
            }
            Err(error) => {
                let cause = Quoted::cause(error.chain());
                tracing::warn!(target: "duck", task = self.plan.name, %cause,
                    "a task does not run this time: it cannot be known whether another process does");
                false
            }
        }
    }

    /// Runs a turn and says what came of it; `None` where another process runs it, or has run it.
    pub(super) async fn run_if_granted(&self, turn: u64) -> Result<Option<Result<()>>> {
        let Some(leases) = self.plan.leases.get() else {
            return Ok(Some(self.run_here(turn).await));
        };
        if !leases.acquire(self.claims(turn, LEASE)).await? {
            return Ok(None);
        }
        Ok(Some(self.run_claimed(&**leases, turn).await))
    }

    fn claims(&self, turn: u64, time: Duration) -> Claim<'_> {
        Claim::new(&self.plan.name, self.holder, turn, time)
    }

    /// Runs a turn that was granted to this process, for as long as it is.
    async fn run_claimed(&self, leases: &dyn Leases, turn: u64) -> Result<()> {
        let granted = Instant::now();
        let lost = {
            let mut run = pin!(self.run_here(turn));
            tokio::select! {
                biased;
                done = &mut run => Ok(done),
                why = self.prolong(leases, turn, granted) => Err(why),
            }
        };
        match lost {
            Ok(done) => {
                if let Err(error) = leases.acquire(self.claims(turn, Duration::ZERO)).await {
                    let cause = Quoted::cause(error.chain());
                    tracing::debug!(target: "duck", task = self.plan.name, %cause, "a lease could not be given back: it runs out");
                }
                done
            }
            Err(why) => {
                tracing::error!(target: "duck", task = self.plan.name, why, "a task was cut off: another process may run it");
                Err(Error::internal(why))
            }
        }
    }

    /// Prolongs the lease of a turn until that fails, and says why.
    async fn prolong(&self, leases: &dyn Leases, turn: u64, granted: Instant) -> &'static str {
        let mut until = granted + LEASE;
        loop {
            sleep(PROLONG).await;
            let asked = Instant::now();
            let prolonged = timeout(
                until.saturating_duration_since(asked),
                leases.acquire(self.claims(turn, LEASE)),
            );
            match prolonged.await {
                Ok(Ok(true)) => until = asked + LEASE,
                Ok(Ok(false)) => return "the lease was granted to another process",
                Ok(Err(_)) | Err(_) if until <= Instant::now() + PROLONG => {
                    return "the storage that the leases are in does not answer";
                }
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    /// Runs the task. An error or a panic is written to the log.
    pub(super) async fn run_here(&self, turn: u64) -> Result<()> {
        let name = &self.plan.name;
        let mut unless_done = CutOff(Some(name));
        let start = Instant::now();
        let task = Task::new(self.context.clone(), turn);
        let done = caught(|| (self.plan.run)(task)).await;
        unless_done.0 = None;
        let done = done.and_then(|done| done);
        match &done {
            Ok(()) => {
                tracing::debug!(target: "duck", task = name, took = ?start.elapsed(), "a task has run");
            }
            Err(error) => self.log(error),
        }
        done
    }

    fn log(&self, error: &Error) {
        let kind = Kind {
            place: error.place().cloned(),
            ..Kind::new(FAILED, StatusCode::INTERNAL_SERVER_ERROR)
        };
        if kind.is_admitted(&self.context.floods) {
            let (task, cause) = (&self.plan.name, Quoted::cause(error.chain()));
            let place = error.place().map(tracing::field::display);
            tracing::error!(target: "duck", task, %cause, place, "{FAILED}");
        }
    }
}

/// Dropped with a run that does not come to its end.
struct CutOff<'a>(Option<&'a str>);

impl Drop for CutOff<'_> {
    fn drop(&mut self) {
        if let Some(task) = self.0 {
            tracing::warn!(target: "duck", task, "a run of a task was dropped before its end");
        }
    }
}
