//! A client that others wrote: Python's `websockets`.

use crate::python;
use crate::wire::Server;

#[tokio::test]
async fn a_client_that_others_wrote_agrees_frame_by_frame() {
    let server = Server::echo("").await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/websocket/client.py");
    let said = python::run(script, "websockets", server.address).await;
    let Some(said) = said else { return };
    let frames: u32 = said.split(' ').next().unwrap().parse().unwrap();
    assert!(frames >= 300, "{said}");
}
