//! The commands that only the site can answer: `duck routes`, `duck check`, `duck sessions`, and
//! those it has of its own.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::CommandFactory;

use crate::args::Args;
use crate::build;
use crate::command_hint::hint;
use crate::failure::{Failure, Result};
use crate::report;
use crate::site::Site;

/// Commands of Django and of the Python Duck that no site has: there is nothing to build for the answer.
const ELSEWHERE_ONLY: [&str; 6] = [
    "makeapp",
    "makeblueprint",
    "makeproject",
    "runserver",
    "startapp",
    "startproject",
];

/// Builds the site's binary and becomes it: output, signals and the exit code are its own.
pub(crate) fn run(command_line: Vec<OsString>) -> Result {
    let name = command_line.first().cloned().unwrap_or_default();
    let name = name.to_string_lossy();
    if ELSEWHERE_ONLY.contains(&name.to_lowercase().as_str()) {
        return Err(Failure::usage(no_such_command(&name)));
    }
    let site = match Site::here() {
        Ok(site) => site,
        Err(failure) => return without_a_site(&name, &command_line, failure),
    };
    let binary = build::build(&site, false)?.binary(&site)?;
    let error = Command::new(&binary)
        .args(command_line)
        .current_dir(&site.root)
        .exec();
    Err(Failure::new(format!(
        "cannot run {}: {error}",
        binary.display()
    )))
}

/// Help can be had without a site. Anything else cannot, and a command that is not one of ours may be
/// misspelt.
fn without_a_site(name: &str, command_line: &[OsString], failure: Failure) -> Result {
    let mut args = Args::command();
    args.build();
    let asks_help = command_line
        .iter()
        .any(|arg| arg == "--help" || arg == "-h");
    match args.find_subcommand_mut(name) {
        Some(command) if asks_help => {
            let help = command.render_help();
            report::answer(format_args!(
                "{help}\nThe options are the site's: ask again in a site."
            ))
        }
        Some(_) => Err(failure),
        None => Err(Failure::usage(format!(
            "{}\n{failure}",
            no_such_command(name)
        ))),
    }
}

fn no_such_command(name: &str) -> String {
    let own = Args::command();
    let names: Vec<&str> = own.get_subcommands().map(clap::Command::get_name).collect();
    let hint = hint(name, &names).map(|hint| format!(": {hint}"));
    format!("`duck` has no command {name:?}{}", hint.unwrap_or_default())
}
