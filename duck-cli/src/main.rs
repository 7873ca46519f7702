//! The `duck` command: makes sites, builds and serves them while you edit, and hands every other
//! command to the site's own binary.

#[cfg(not(unix))]
compile_error!("`duck` lends its socket to a site and stops it by signals, as Unix has them");

mod args;
mod banner;
mod build;
mod checksums;
#[path = "../../duck-core/src/app/command_hint.rs"]
mod command_hint;
mod commands;
mod embedded;
#[path = "../../duck-core/src/settings/env_file.rs"]
mod env_file;
#[expect(unreachable_pub, reason = "duck-core gives it to sites")]
#[path = "../../duck-core/src/pages/escape.rs"]
mod escape;
mod failure;
mod group;
mod https;
mod interim_page;
mod interim_server;
mod lock;
mod packages;
mod progress;
mod reload;
mod report;
mod scaffold;
mod server;
mod settings;
mod signals;
mod site;
mod site_name;
mod socket;
mod template;
mod vendor;
mod vendored;
mod watch;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    match commands::run(args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::error(&failure);
            failure.exit_code()
        }
    }
}
