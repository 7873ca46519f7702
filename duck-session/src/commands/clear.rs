use duck::{ExitCode, Result};
use serde_json::json;

use super::desk::{Desk, misuse};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Yes, everybody has to log in again
    #[arg(long)]
    yes: bool,
}

/// Ends all sessions, those that cannot be read included.
pub(super) async fn run(args: Args, mut desk: Desk<'_>) -> Result<ExitCode> {
    if !args.yes {
        return Ok(misuse(
            "this ends all sessions, and everybody has to log in again: say `clear --yes` if that is meant",
        ));
    }
    desk.administration.clear().await?;
    desk.answer(&json!({ "cleared": true }), "  all sessions are over\n")?;
    desk.warn_unless_atomic();
    Ok(ExitCode::SUCCESS)
}
