//! `duck secret`

use std::io::{ErrorKind, Write, stdout};

use data_encoding::BASE64URL_NOPAD;

use crate::failure::{Context, Result};

/// Prints a fresh key. Needs no site.
pub(crate) fn run() -> Result {
    let key = fresh()?;
    match writeln!(stdout(), "{key}") {
        // Whoever was to read it has gone.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context(|| "cannot write the key".into()),
    }
}

/// A new key: 48 random bytes, as 64 characters that need no quotes anywhere.
pub(crate) fn fresh() -> Result<String> {
    let mut bytes = [0; 48];
    getrandom::fill(&mut bytes).context(|| "no random bytes from the system".into())?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}
