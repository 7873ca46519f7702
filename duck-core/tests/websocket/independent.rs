//! A client that others wrote: Python's `websockets`.

use std::process::Command;

use crate::wire::Server;

#[tokio::test]
async fn a_client_that_others_wrote_agrees_frame_by_frame() {
    let server = Server::echo("").await;
    let (host, port) = (server.address.ip(), server.address.port());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/websocket/client.py");
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut has_library = Command::new(&python);
    has_library.args(["-c", "import websockets"]);
    let is_there = has_library
        .output()
        .is_ok_and(|output| output.status.success());
    if !is_there {
        let is_ci = std::env::var("CI").as_deref() == Ok("true");
        assert!(!is_ci, "CI has to have Python with `websockets`");
        eprintln!("SKIPPED: there is no Python with `websockets` on this machine");
        return;
    }
    let mut client = Command::new(&python);
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
