//! Lines for the person at the terminal: on standard error, one verb column as in cargo, in colour
//! only where a terminal shows it (`NO_COLOR` is respected).

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write, stderr};
use std::sync::LazyLock;

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar};

use crate::failure::{Context, Result};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// All lines pass through here, so that a progress bar on the last row is not written over.
static SCREEN: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Something was done: `   Created  mysite`.
pub(crate) fn done(verb: &str, text: impl Display) {
    line(format_args!("{GOOD}{verb:>10}{GOOD:#}  {text}"));
}

/// Something to know, or to do next.
pub(crate) fn note(verb: &str, text: impl Display) {
    line(format_args!("{NOTE}{verb:>10}{NOTE:#}  {text}"));
}

/// Something went wrong, and the program goes on.
pub(crate) fn trouble(verb: &str, text: impl Display) {
    line(format_args!("{BAD}{verb:>10}{BAD:#}  {text}"));
}

/// Something went wrong, and the program ends.
pub(crate) fn error(text: impl Display) {
    line(format_args!("{BAD}error{BAD:#}: {text}"));
}

pub(crate) fn line(text: impl Display) {
    // Where the terminal or the pipe is gone, there is nobody to tell.
    SCREEN.suspend(|| drop(writeln!(anstream::stderr(), "{text}")));
}

/// Writes what was asked for to standard output. Whoever was to read it may have gone.
pub(crate) fn answer(text: impl Display) -> Result {
    match writeln!(anstream::stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context(|| "cannot write the answer".into()),
    }
}

/// Puts a progress bar on the last row of the screen.
pub(crate) fn show(bar: ProgressBar) -> ProgressBar {
    SCREEN.add(bar)
}

/// Is somebody looking? Without a terminal there are plain lines only.
pub(crate) fn on_terminal() -> bool {
    stderr().is_terminal()
}

/// Shall what we and our children write be in colour?
pub(crate) fn in_colour() -> bool {
    AutoStream::choice(&stderr()) != anstream::ColorChoice::Never
}
