//! `duck secret`

use std::io::{ErrorKind, Write, stdout};

use crate::failure::{Context, Result};
use crate::secret;

/// Prints a fresh key. Needs no site.
pub(crate) fn run() -> Result {
    let key = secret::fresh()?;
    match writeln!(stdout(), "{key}") {
        // Whoever was to read it has gone.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context(|| "cannot write the key".into()),
    }
}
