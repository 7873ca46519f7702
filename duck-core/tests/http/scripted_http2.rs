//! HTTP/2 as others write it: Python's `h2`, `hpack` and `hyperframe`.

use crate::python;
use crate::wire::Server;

#[tokio::test]
async fn what_a_client_may_do_wrong_in_http2_is_answered_as_rfc_9113_asks() {
    let server = Server::start("WRITE_TIMEOUT = 3").await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/scripted_http2.py");
    let said = python::run(script, "h2, hpack, hyperframe", server.address).await;
    let Some(said) = said else { return };
    let checks = said.lines().last().and_then(|line| line.split(' ').next());
    let checks: u32 = checks.unwrap().parse().unwrap();
    assert!(checks >= 150, "{said}");
}
