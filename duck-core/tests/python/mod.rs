//! Clients that others wrote, in Python.

use std::net::SocketAddr;
use std::process::Command;

/// Runs a script, which takes the host and the port of a server, and gives what it says. `None` where no Python here
/// has the modules that it imports; with `CI=true` that is a failure.
pub(crate) async fn run(script: &str, modules: &str, server: SocketAddr) -> Option<String> {
    let Some(python) = with(modules) else {
        let is_ci = std::env::var("CI").as_deref() == Ok("true");
        assert!(!is_ci, "CI has to have Python with {modules}");
        eprintln!("SKIPPED: there is no Python with {modules} on this machine");
        return None;
    };
    let mut client = Command::new(python);
    client.args([script, &server.ip().to_string(), &server.port().to_string()]);
    let output = tokio::task::spawn_blocking(move || client.output());
    let output = output.await.expect("it does not panic");
    let output = output.expect("there is such a Python");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
    eprintln!("{said}");
    Some(said)
}

/// The system's Python, or another one that comes first in the path.
fn with(modules: &str) -> Option<&'static str> {
    ["/usr/bin/python3", "python3"].into_iter().find(|python| {
        let mut imports = Command::new(python);
        imports.args(["-c", &format!("import {modules}")]);
        imports.output().is_ok_and(|output| output.status.success())
    })
}
