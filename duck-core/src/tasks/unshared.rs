//! What `check` says where the processes of a site would each run all tasks.

use super::plans::Plans;
use super::schedule::Schedule;
use crate::app::setup::Setup;

/// Adds the note. All components have started: any of them may have brought leases.
pub(crate) fn note(setup: &mut Setup<'_>) {
    let Ok(plans) = setup.get::<Plans>() else {
        return;
    };
    let plans = plans.all();
    let names = plans
        .iter()
        .filter(|plan| !matches!(plan.schedule, Schedule::Once));
    let names: Vec<_> = names.map(|plan| format!("{:?}", plan.name)).collect();
    if names.is_empty() || setup.leases.get().is_some() {
        return;
    }
    setup.check_note(format!(
        "tasks: each process of this site runs every turn of {}. So that one of several does, they share a session storage \
         other than InMemoryCache, and duck-session has its feature `tasks`",
        names.join(", ")
    ));
}
