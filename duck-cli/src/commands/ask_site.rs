//! The commands that only the site can answer: `duck routes`, `duck check`, `duck sessions`, and
//! those it has of its own.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::build;
use crate::failure::{Failure, Result};
use crate::site::Site;

/// Builds the site's binary and becomes it: output, signals and the exit code are its own.
pub(crate) fn run(command_line: Vec<OsString>) -> Result {
    let site = Site::here()?;
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
