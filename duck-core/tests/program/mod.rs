//! A program of the system's.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs it with these options and this standard input; `None` where it is not installed. Where `CI` is set, it has to
/// be.
pub(crate) async fn run(program: &'static str, options: &[&str], input: Vec<u8>) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(options);
    let run = tokio::task::spawn_blocking(move || {
        let pipe = Stdio::piped;
        let mut process = command
            .stdin(pipe())
            .stdout(pipe())
            .stderr(pipe())
            .spawn()?;
        let mut stdin = process.stdin.take().expect("a pipe");
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = process.wait_with_output();
        // It may have read no more than it needed.
        let _ = writer.join().expect("no panic");
        output
    });
    match run.await.expect("no panic") {
        Ok(output) => Some(output),
        Err(error) => {
            let is_ci = std::env::var("CI").as_deref() == Ok("true");
            assert!(!is_ci, "CI has to have {program}: {error}");
            eprintln!("SKIPPED: there is no {program} on this machine: {error}");
            None
        }
    }
}
