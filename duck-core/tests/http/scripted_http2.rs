//! HTTP/2 as others write it: Python's `h2`, `hpack` and `hyperframe`.

use std::process::Command;

use crate::wire::Server;

#[tokio::test]
async fn what_a_client_may_do_wrong_in_http2_is_answered_as_rfc_9113_asks() {
    let Some(python) = python() else {
        let is_ci = std::env::var("CI").as_deref() == Ok("true");
        assert!(!is_ci, "CI has to have Python with `h2`");
        eprintln!("SKIPPED: there is no Python with `h2` on this machine");
        return;
    };
    let server = Server::start("WRITE_TIMEOUT = 3").await;
    let (host, port) = (server.address.ip(), server.address.port());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/scripted_http2.py");
    let mut client = Command::new(python);
    client.args([script, &host.to_string(), &port.to_string()]);
    let output = tokio::task::spawn_blocking(move || client.output());
    let output = output.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
    let checks = said.lines().last().and_then(|line| line.split(' ').next());
    let checks: u32 = checks.unwrap().parse().unwrap();
    assert!(checks >= 150, "{said}");
    eprintln!("{said}");
}

/// A Python that has `h2`: the system's, or another one that comes first in the path.
fn python() -> Option<&'static str> {
    ["/usr/bin/python3", "python3"].into_iter().find(|python| {
        let mut imports = Command::new(python);
        imports.args(["-c", "import h2, hpack, hyperframe"]);
        imports.output().is_ok_and(|output| output.status.success())
    })
}
