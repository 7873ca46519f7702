//! A client that others wrote: Python's `websockets`.

use std::process::Command;

use crate::wire::Server;

#[tokio::test]
async fn a_client_that_others_wrote_agrees_frame_by_frame() {
    let server = Server::echo("").await;
    let (host, port) = (server.address.ip(), server.address.port());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/websocket/client.py");
    let Some(python) = python() else {
        let is_ci = std::env::var("CI").as_deref() == Ok("true");
        assert!(!is_ci, "CI has to have Python with `websockets`");
        eprintln!("SKIPPED: there is no Python with `websockets` on this machine");
        return;
    };
    let mut client = Command::new(python);
    client.args([script, &host.to_string(), &port.to_string()]);
    let output = tokio::task::spawn_blocking(move || client.output())
        .await
        .unwrap()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let frames: u32 = said.split(' ').next().unwrap().parse().unwrap();
    assert!(frames >= 300, "{said}");
    eprintln!("{said}");
}

/// A Python that has `websockets`: the system's, or another one that comes first in the path.
fn python() -> Option<&'static str> {
    ["/usr/bin/python3", "python3"].into_iter().find(|python| {
        let mut imports = Command::new(python);
        imports.args(["-c", "import websockets"]);
        imports.output().is_ok_and(|output| output.status.success())
    })
}
