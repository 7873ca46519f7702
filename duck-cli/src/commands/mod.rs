//! The commands, one a file.

mod ask_site;
mod new;
mod run;
mod secret;
mod upgrade;

use std::ffi::OsString;

use crate::args::Command;
use crate::failure::Result;

pub(crate) fn run(command: Command) -> Result {
    match command {
        Command::New(args) => new::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Upgrade(args) => upgrade::run(&args),
        Command::Secret => secret::run(),
        Command::Routes(rest) => ask_site::run(command_line("routes", rest.args)),
        Command::Check(rest) => ask_site::run(command_line("check", rest.args)),
        Command::Sessions(rest) => ask_site::run(command_line("sessions", rest.args)),
        Command::Other(args) => ask_site::run(args),
    }
}

fn command_line(name: &str, rest: Vec<OsString>) -> Vec<OsString> {
    std::iter::once(name.into()).chain(rest).collect()
}
