use duck::{ExitCode, Result};
use serde_json::json;

use super::by_user::sessions_of;
use super::desk::Desk;
use super::prefix::{Prefix, SHORT};
use super::words;
use crate::engine::administration::Administration;
use crate::engine::stored::Stored;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The first characters of its handle, as `list` shows them
    #[arg(value_name = "HANDLE", allow_hyphen_values = true)]
    handle: Prefix,
}

#[derive(Debug, clap::Args)]
pub(super) struct UserArgs {
    /// Who: what the site gave to `session.login`
    #[arg(allow_hyphen_values = true)]
    user: String,
}

/// Ends one session. It is over with the visitor's next request, in every process.
pub(super) async fn run(args: Args, mut desk: Desk<'_>) -> Result<ExitCode> {
    let stored = args.handle.find(desk.administration).await?;
    let revoked = desk.administration.revoke(&stored.handle).await?;
    let short = &stored.handle.as_str()[..SHORT];
    desk.answer(
        &json!({ "revoked": usize::from(revoked) }),
        &format!("  {short} is over\n"),
    )?;
    desk.warn_unless_atomic();
    Ok(ExitCode::SUCCESS)
}

/// Ends all sessions of one user: at once those on the user's list, and then whatever is found by
/// looking into each.
pub(super) async fn run_for_user(args: UserArgs, mut desk: Desk<'_>) -> Result<ExitCode> {
    let administration = desk.administration;
    let mut revoked = end(administration, administration.listed(&args.user).await?).await?;
    revoked += end(
        administration,
        sessions_of(administration, &args.user).await?,
    )
    .await?;
    let verb = if revoked == 1 { "is" } else { "are" };
    desk.answer(
        &json!({ "revoked": revoked }),
        &format!("  {} of this user {verb} over\n", words::sessions(revoked)),
    )?;
    desk.warn_unless_atomic();
    Ok(ExitCode::SUCCESS)
}

/// Ends these, and says how many there still were.
async fn end(administration: &dyn Administration, sessions: Vec<Stored>) -> Result<usize> {
    let mut revoked = 0;
    for stored in sessions {
        revoked += usize::from(administration.revoke(&stored.handle).await?);
    }
    Ok(revoked)
}
