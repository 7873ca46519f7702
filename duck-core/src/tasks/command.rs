//! `./mysite tasks`: which there are, when they run next, and running one now.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::plan::{Plan, now};
use super::plans::Plans;
use super::run::Runner;
use crate::ExitCode;
use crate::app::cli::{print, refuse};
use crate::app::context::Context;
use crate::app::setup::Setup;
use crate::app::stderr;
use crate::error::Result;

const USAGE: &str = "usage: tasks            list the timed tasks and when they run next\n       tasks run NAME   run one now\n";

pub(super) fn add(setup: &mut Setup<'_>, plans: Plans) {
    setup.command_in_context(
        "tasks",
        "List the timed tasks, or run one now",
        move |arguments, context| {
            let plans = plans.all();
            async move { answer(&plans, &arguments, &context).await }
        },
    );
}

async fn answer(
    plans: &[Arc<Plan>],
    arguments: &[OsString],
    context: &Arc<Context>,
) -> Result<ExitCode> {
    let arguments: Vec<_> = arguments.iter().map(|it| it.to_string_lossy()).collect();
    let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    match arguments[..] {
        [] => print(&list(plans)).map(|()| ExitCode::SUCCESS),
        ["--help" | "-h"] => print(USAGE).map(|()| ExitCode::SUCCESS),
        ["run", name] => run_named(plans, name, context).await,
        _ => Ok(refuse(USAGE)),
    }
}

async fn run_named(plans: &[Arc<Plan>], name: &str, context: &Arc<Context>) -> Result<ExitCode> {
    if let Some(plan) = plans.iter().find(|plan| plan.name == name) {
        return run(plan, context).await;
    }
    let names: Vec<_> = plans.iter().map(|plan| &plan.name).collect();
    Ok(refuse(&format!(
        "error: there is no task {name:?}; this site has {names:?}\n"
    )))
}

/// One at a time, as when its turn comes: it does not run beside a run of the site.
async fn run(plan: &Plan, context: &Arc<Context>) -> Result<ExitCode> {
    let runner = Runner::new(plan, context);
    let turn = now().as_secs();
    let Some(done) = runner.run_if_granted(turn).await? else {
        let text = format!(
            "error: the task {:?} runs in another process, or has run this second\n",
            plan.name
        );
        stderr::write(text.as_bytes());
        return Ok(ExitCode::FAILURE);
    };
    done?;
    Ok(ExitCode::SUCCESS)
}

fn list(plans: &[Arc<Plan>]) -> String {
    let head = ["NAME", "WHEN (UTC)", "NEXT"].map(str::to_owned);
    let rows = plans.iter().map(|plan| {
        let next = plan.schedule.after(now());
        let next = next.map(|turn| {
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(turn)).to_string()
        });
        let name = plan.name.escape_debug().to_string();
        [name, plan.schedule.to_string(), next.unwrap_or_default()]
    });
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let (names, times) = (width(0).unwrap_or(0), width(1).unwrap_or(0));
    rows.iter()
        .map(|[name, when, next]| {
            format!("  {name:<names$}  {when:<times$}  {next}")
                .trim_end()
                .to_owned()
                + "\n"
        })
        .collect()
}
