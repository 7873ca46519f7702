//! `./mysite sessions …`: what an administrator does with sessions, while the site runs or not.
//!
//! Each command is a file of its own, over [`Administration`](crate::engine::administration).

mod context;
mod end;
mod files;
mod format;
mod list;
mod migrate;
mod prefix;
mod rekey;
mod scan;
mod show;
mod stats;
mod verify;

use std::ffi::OsString;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use duck::{Error, ExitCode, Result, Setup};

pub(crate) use self::context::Sessions;
use self::context::{Context, Out};

/// The name of all of them.
const NAME: &str = "sessions";
const ABOUT: &str = "Look at the site's sessions, end them, move them";

#[derive(Debug, Parser)]
#[command(about = ABOUT, disable_help_subcommand = true)]
struct Args {
    /// Answer in JSON, for scripts
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Count what is stored (what happens without a command, too)
    Stats,
    /// List sessions: no ids, no values
    List(list::Args),
    /// Show one session: its times, its keys and how large they are
    Show(show::Args),
    /// End one session
    Revoke(end::RevokeArgs),
    /// End all sessions of a user
    RevokeUser(end::UserArgs),
    /// Remove what is over, now
    #[command(visible_alias = "clear-expired")]
    Sweep,
    /// End all sessions, or those nobody is logged in to
    Clear(end::ClearArgs),
    /// Look for what is not as it should be: modes of files, sessions that do not open
    Verify(verify::Args),
    /// Seal with the current key what an older one has sealed
    Rekey,
    /// Copy all sessions into another storage
    Migrate(migrate::Args),
    /// Print the statements that make the table of PostgreSQL, where the site may not make it itself
    #[cfg(feature = "postgres")]
    Schema,
}

/// Adds the commands to the site's binary.
pub(crate) fn add(setup: &mut Setup<'_>, sessions: Sessions) {
    let sessions = Arc::new(sessions);
    setup.command(NAME, ABOUT, move |arguments| {
        let sessions = sessions.clone();
        async move {
            let args = match parse(arguments) {
                Ok(args) => args,
                Err(usage) => return show(&usage),
            };
            let mut out = BufWriter::new(io::stdout());
            let mut answer = sessions.answer(args, &mut out).await;
            if let Err(error) = out.flush() {
                answer = answer.and(Err(error.into()));
            }
            match answer {
                // Whoever reads the list has seen enough of it: `… | head`.
                Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
                answer => answer,
            }
        }
    });
}

/// Usage and help name the program as it was called.
fn parse(arguments: Vec<OsString>) -> Result<Args, clap::Error> {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default();
    let name = format!("{} {NAME}", program.to_string_lossy());
    let line = std::iter::once(OsString::from(NAME)).chain(arguments);
    let matches = Args::command().bin_name(name).try_get_matches_from(line)?;
    Args::from_arg_matches(&matches)
}

/// Help is an answer; a complaint has its code whether or not anybody reads it.
fn show(usage: &clap::Error) -> Result<ExitCode> {
    match usage.print() {
        Err(error) if !usage.use_stderr() && error.kind() != ErrorKind::BrokenPipe => {
            Err(error.into())
        }
        _ => Ok(ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2))),
    }
}

fn is_broken_pipe(error: &Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

impl Sessions {
    async fn answer(&self, args: Args, out: Out<'_>) -> Result<ExitCode> {
        #[cfg(feature = "postgres")]
        if matches!(args.command, Some(Command::Schema)) {
            out.write_all(crate::store::SCHEMA.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        let administration = self
            .opened
            .as_deref()
            .map_err(|reason| Error::internal(*reason))?;
        let context = Context {
            administration,
            sessions: self,
            json: args.json,
            out,
        };
        match args.command.unwrap_or(Command::Stats) {
            Command::Stats => stats::run(context).await,
            Command::List(args) => list::run(args, context).await,
            Command::Show(args) => show::run(args, context).await,
            Command::Revoke(args) => end::revoke(args, context).await,
            Command::RevokeUser(args) => end::revoke_user(args, context).await,
            Command::Sweep => end::sweep(context).await,
            Command::Clear(args) => end::clear(args, context).await,
            Command::Verify(args) => verify::run(args, context).await,
            Command::Rekey => rekey::run(context).await,
            Command::Migrate(args) => migrate::run(args, context).await,
            #[cfg(feature = "postgres")]
            Command::Schema => Ok(ExitCode::SUCCESS), // answered before: it asks nothing of the storage
        }
    }
}

#[cfg(test)]
mod tests;
