//! `duck secret`

use crate::failure::Result;
use crate::secret;

/// Prints a fresh key. Needs no site.
pub(crate) fn run() -> Result {
    anstream::println!("{}", secret::fresh()?);
    Ok(())
}
