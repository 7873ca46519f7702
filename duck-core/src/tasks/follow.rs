//! A task and its turns, while the site serves.

use std::sync::Arc;

use super::plan::{Plan, now};
use super::run::Runner;
use super::schedule::Schedule;
use super::turns::Turns;
use crate::app::context::Context;

/// Runs a task at its turns until the site is asked to stop, and to the end of the run that goes on by then.
pub(super) async fn follow(plan: Arc<Plan>, context: Arc<Context>) {
    let runner = Runner::new(&plan, &context);
    if matches!(plan.schedule, Schedule::Once) {
        if !context.stopping.has_begun() {
            let _ = runner.run_here(now().as_secs()).await;
        }
        return;
    }
    let mut turns = Turns::new(&plan.schedule, now);
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
        let has_run = runner.run_turn(turn).await;
        let is_late = turns.pass_over() && has_run;
        if is_late && !was_late {
            tracing::warn!(target: "duck", task = plan.name, schedule = %plan.schedule,
                "a task takes longer than the time between its turns: some are passed over");
        }
        was_late = is_late;
    }
}
