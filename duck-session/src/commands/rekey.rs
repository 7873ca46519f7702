use duck::{ExitCode, Result};

use super::context::{Context, failure_if, sync};
use super::scan::Scan;
use crate::engine::administration::{Resealed, SessionState};

/// Seals with the current key whatever an older one has sealed.
pub(super) async fn run(mut context: Context<'_>) -> Result<ExitCode> {
    let (mut resealed, mut current, mut unreadable) = (0, 0, 0);
    let mut scan = Scan::new(context.administration);
    while let Some(session) = scan.next().await? {
        if matches!(session.state, SessionState::Expired) {
            continue;
        }
        match context.administration.reseal(&session.stored).await? {
            Resealed::Yes => resealed += 1,
            Resealed::NotNeeded => current += 1,
            Resealed::Unreadable => unreadable += 1,
            Resealed::Gone => {}
        }
    }
    unreadable += scan.unreadable;
    // Before anybody gives the old key up.
    sync(&context.sessions.own).await?;
    let mut more = "";
    if unreadable == 0 {
        more = "\n  Once every server of the site was started with the new key, and this was run after that,\n  SECRET_KEY_FALLBACKS can be emptied.\n";
    }
    let named = [
        ("resealed", resealed),
        ("current", current),
        ("unreadable", unreadable),
    ];
    context.answer_counts(&named, more)?;
    Ok(failure_if(unreadable > 0))
}
