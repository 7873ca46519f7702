//! `duck secret`

use data_encoding::BASE64URL_NOPAD;

use crate::failure::{Context, Result};
use crate::report;

/// Prints a fresh key. Needs no site.
pub(crate) fn run() -> Result {
    report::answer(fresh()?)
}

/// A new key: 48 random bytes, as 64 characters that need no quotes anywhere.
pub(crate) fn fresh() -> Result<String> {
    let mut bytes = [0; 48];
    getrandom::fill(&mut bytes).context(|| "no random bytes from the system".into())?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}
