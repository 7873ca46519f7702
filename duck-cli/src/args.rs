//! The commands and their options.

use std::ffi::OsString;
use std::path::PathBuf;

use anstyle::AnsiColor;
use clap::builder::Styles;
use clap::{Parser, Subcommand};

use crate::template::{Database, Sessions};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Makes and runs sites of the Duck web framework.
#[derive(Debug, Parser)]
#[command(
    name = "duck",
    bin_name = "duck",
    version,
    styles = STYLES,
    arg_required_else_help = true,
    after_help = "Start with:  duck new mysite && cd mysite && duck run"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new site in a folder of its own
    New(New),
    /// Build the site, serve it, and follow your edits
    Run(Run),
    /// Replace the site's copy of Duck by the version that this `duck` carries
    Upgrade(Upgrade),
    /// Print a fresh secret key
    Secret,
    /// List the site's routes
    #[command(disable_help_flag = true)]
    Routes(Rest),
    /// Look for mistakes in the site and its settings
    #[command(disable_help_flag = true)]
    Check(Rest),
    /// Look at the site's sessions, end them, move them
    #[command(disable_help_flag = true)]
    Sessions(Rest),
    /// Any other command is the site's own.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// `duck new`
#[derive(Debug, clap::Args)]
pub(crate) struct New {
    /// The name of the site, and of its folder
    pub(crate) name: String,
    /// The smallest site: one source file
    #[arg(long, conflicts_with = "full")]
    pub(crate) mini: bool,
    /// A database, blueprints, a middleware, a class-based view and systemd units as well
    #[arg(long)]
    pub(crate) full: bool,
    /// Where the site of --full keeps its data [default: sqlite]
    #[arg(long, value_name = "KIND", requires = "full")]
    pub(crate) database: Option<Database>,
    /// Where the site keeps its sessions
    #[arg(long, value_name = "PLACE", value_enum, default_value_t)]
    pub(crate) sessions: Sessions,
    /// Depend on the checkout of Duck in DIR, rather than on a copy in the site
    #[arg(long, value_name = "DIR")]
    pub(crate) path: Option<PathBuf>,
}

/// `duck run`
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// The port to listen on; 0 takes any free one [default: that of ADDRESS in settings.toml]
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
    /// The host to listen on [default: that of ADDRESS in settings.toml]
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// Serve HTTPS, with a certificate that is made for this site if its settings name none
    #[arg(long)]
    pub(crate) https: bool,
    /// Build with optimisations
    #[arg(long)]
    pub(crate) release: bool,
    /// Do not build again when a file changes
    #[arg(long)]
    pub(crate) no_reload: bool,
}

/// `duck upgrade`
#[derive(Debug, clap::Args)]
pub(crate) struct Upgrade {
    /// Replace the copy even if it was edited by hand: the edits are lost
    #[arg(long)]
    pub(crate) force: bool,
}

/// What the site's binary is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Rest {
    /// Passed on to the site; `--help` lists what it takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<OsString>,
}
