//! The real curl.

use crate::program;

/// What curl received, and what it has to say about it.
pub(crate) struct Answer {
    pub(crate) body: Vec<u8>,
    pub(crate) log: String,
}

/// Runs curl with these options and this standard input; `None` where there is no curl.
pub(crate) async fn run(options: &[&str], input: impl Into<Vec<u8>>) -> Option<Answer> {
    let own = ["--silent", "--show-error", "--verbose"];
    let output = program::run("curl", &[&own, options].concat(), input.into()).await?;
    Some(Answer {
        body: output.stdout,
        log: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
