//! The real curl.

use std::io::Write;
use std::process::{Command, Stdio};

/// What curl received, and what it has to say about it.
pub(crate) struct Answer {
    pub(crate) body: Vec<u8>,
    pub(crate) log: String,
}

/// Runs curl with these options and this standard input; `None` where there is no curl.
pub(crate) async fn run(options: &[&str], input: impl Into<Vec<u8>>) -> Option<Answer> {
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--verbose"])
        .args(options);
    let input = input.into();
    let run = tokio::task::spawn_blocking(move || {
        let pipe = Stdio::piped;
        let mut curl = command
            .stdin(pipe())
            .stdout(pipe())
            .stderr(pipe())
            .spawn()?;
        let mut stdin = curl.stdin.take().expect("a pipe");
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = curl.wait_with_output();
        // It may have read no more than it needed.
        let _ = writer.join().expect("no panic");
        output
    });
    match run.await.expect("no panic") {
        Ok(output) => Some(Answer {
            body: output.stdout,
            log: String::from_utf8_lossy(&output.stderr).into_owned(),
        }),
        Err(error) => {
            let is_ci = std::env::var("CI").as_deref() == Ok("true");
            assert!(!is_ci, "CI has to have curl: {error}");
            eprintln!("SKIPPED: there is no curl on this machine: {error}");
            None
        }
    }
}
