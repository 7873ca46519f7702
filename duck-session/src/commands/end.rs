//! Ending sessions: one, those of a user, those that are over, those nobody is logged in to, all.

use std::time::Duration;

use duck::{ExitCode, Result};
use serde_json::json;

use super::context::{Context, misuse};
use super::format;
use super::prefix::{Prefix, SHORT};
use super::scan::Scan;
use crate::clock::millis;
use crate::engine::administration::{Administration, Inspected, SessionState};

#[derive(Debug, clap::Args)]
pub(super) struct RevokeArgs {
    /// The first characters of its name, as `list` shows them
    #[arg(value_name = "NAME", allow_hyphen_values = true)]
    name: Prefix,
}

#[derive(Debug, clap::Args)]
pub(super) struct UserArgs {
    /// Who: what the site gave to `session.login`
    #[arg(allow_hyphen_values = true)]
    user: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct ClearArgs {
    /// Yes, everybody has to log in again
    #[arg(long)]
    yes: bool,
    /// Only the sessions that nobody is logged in to
    #[arg(long, conflicts_with = "yes")]
    anonymous: bool,
    /// Of these, only those that were last seen longer ago: 7d, 12h
    #[arg(long, value_name = "TIME", requires = "anonymous", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
}

/// Ends one session. It is over with the visitor's next request, in every process.
pub(super) async fn revoke(args: RevokeArgs, mut context: Context<'_>) -> Result<ExitCode> {
    let administration = context.administration;
    let (name, session) = args.name.find(administration).await?;
    let revoked = administration.revoke(session.stored.key()).await?;
    context.answer(
        &json!({ "revoked": usize::from(revoked) }),
        &format!("  {} is over\n", &name[..SHORT]),
    )?;
    context.warn_unless_shared();
    Ok(ExitCode::SUCCESS)
}

/// Ends all sessions of one user.
pub(super) async fn revoke_user(args: UserArgs, mut context: Context<'_>) -> Result<ExitCode> {
    let revoked = context.administration.revoke_user(&args.user).await?;
    let verb = if revoked == 1 { "is" } else { "are" };
    context.answer(
        &json!({ "revoked": revoked }),
        &format!("  {} of this user {verb} over\n", format::sessions(revoked)),
    )?;
    context.warn_unless_shared();
    Ok(ExitCode::SUCCESS)
}

/// Removes every session whose time is over.
pub(super) async fn sweep(mut context: Context<'_>) -> Result<ExitCode> {
    let removed = remove_expired(context.administration).await?;
    context.answer(
        &json!({ "removed": removed }),
        &format!(
            "  {} removed, whose time was over\n",
            format::sessions(removed)
        ),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The storage removes in bulk for as long as it finds something. What is left then goes one by one: a storage
/// looks at some of its sessions at a time, and knows nothing of `SESSION_IDLE_TIMEOUT`.
pub(super) async fn remove_expired(administration: &dyn Administration) -> Result<usize> {
    let mut removed = 0;
    loop {
        match administration.sweep().await? {
            0 => break,
            more => removed += more,
        }
    }
    let is_over = |session: &Inspected| matches!(session.state, SessionState::Expired);
    Ok(removed + remove_all(administration, is_over).await?)
}

/// Ends all sessions, those that cannot be read included; or only those nobody is logged in to.
pub(super) async fn clear(args: ClearArgs, mut context: Context<'_>) -> Result<ExitCode> {
    if args.anonymous {
        return clear_anonymous(args.older_than, context).await;
    }
    if !args.yes {
        return Ok(misuse(
            "this ends all sessions, and everybody has to log in again: say `clear --yes` if that is meant, or `clear --anonymous` for those nobody is logged in to",
        ));
    }
    context.administration.clear().await?;
    context.answer(&json!({ "cleared": true }), "  all sessions are over\n")?;
    context.warn_unless_shared();
    Ok(ExitCode::SUCCESS)
}

/// One that cannot be read stays: nobody knows when it was seen last, and its key may come back.
async fn clear_anonymous(
    older_than: Option<Duration>,
    mut context: Context<'_>,
) -> Result<ExitCode> {
    let administration = context.administration;
    let last_seen_before = older_than.map_or(u64::MAX, |age| {
        administration.now().saturating_sub(millis(age))
    });
    let is_meant = |session: &Inspected| {
        let SessionState::Live(live) = &session.state else {
            return false;
        };
        let has_user = session.stored.user().is_some() || live.data().user().is_some();
        !has_user && live.header().touched < last_seen_before
    };
    let removed = remove_all(administration, is_meant).await?;
    context.answer(
        &json!({ "removed": removed }),
        &format!(
            "  {} removed that nobody was logged in to\n",
            format::sessions(removed)
        ),
    )?;
    context.warn_unless_shared();
    Ok(ExitCode::SUCCESS)
}

/// Removes the sessions that `is_meant` is true of, and returns how many. One that is saved meanwhile is looked
/// at again: somebody may have logged in.
async fn remove_all(
    administration: &dyn Administration,
    is_meant: impl Fn(&Inspected) -> bool,
) -> Result<usize> {
    let mut removed = 0;
    let mut scan = Scan::new(administration);
    while let Some(session) = scan.next().await? {
        let mut seen = Some(session);
        while let Some(session) = seen.filter(&is_meant) {
            if administration.discard(&session.stored).await? {
                removed += 1;
                break;
            }
            seen = administration.find(session.stored.key()).await?;
        }
    }
    Ok(removed)
}
