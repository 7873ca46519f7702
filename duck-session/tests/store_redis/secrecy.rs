//! What an operator of the server can read.

use crate::server::{Server, is_installed};
use crate::site;

#[tokio::test]
async fn the_server_holds_neither_an_id_nor_a_user_nor_data() {
    if !is_installed() {
        return;
    }
    let file = [
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--aof-use-rdb-preamble",
        "no",
    ];
    let server = Server::start(&file);
    let client = site::visitor(site::settings(server.url())).await;
    site::read(&client, "/set/a-private-value").await;
    let mut ids = vec![client.cookie("session_id").unwrap()];
    site::read(&client, "/login/ida-lovelace").await;
    ids.push(client.cookie("session_id").unwrap());
    site::read(&client, "/set/a-private-value-too").await;

    // The file has every command that changed anything, with its keys and values.
    let mut written = Vec::new();
    for entry in std::fs::read_dir(server.dir().join("appendonlydir")).unwrap() {
        written.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let shown = |text: &[u8]| written.windows(text.len()).any(|window| window == text);
    assert!(shown(b"duck:test:session:") && shown(b"duck:test:user:"));
    for secret in ["ida", "lovelace", "private", "value"] {
        assert!(!shown(secret.as_bytes()), "{secret}");
    }
    for id in ids {
        let bytes = data_encoding::BASE64URL_NOPAD
            .decode(id.as_bytes())
            .unwrap();
        for half in bytes.chunks(16) {
            let hex = data_encoding::HEXLOWER.encode(half);
            let text = data_encoding::BASE64URL_NOPAD.encode(half);
            assert!(!shown(half) && !shown(hex.as_bytes()) && !shown(text.as_bytes()));
        }
    }
}
