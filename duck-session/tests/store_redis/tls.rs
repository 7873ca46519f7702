//! TLS: who is spoken to, and who is not.

use std::path::Path;
use std::process::{Command, Output};

use crate::certificates;
use crate::server::{Server, free_port, is_installed};
use crate::site::{read, settings, visitor};

/// A site in a process of its own: which certificates are trusted, the environment says.
#[tokio::test]
async fn runs_as_another_process() {
    let Ok(url) = std::env::var("TLS_URL") else {
        return;
    };
    let client = visitor(settings(url)).await;
    read(&client, "/login/ida").await;
    assert_eq!(read(&client, "/add").await, "1");
    println!("user {}", read(&client, "/user").await);
}

fn site(url: &str, trusted: &Path) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tls::runs_as_another_process", "--nocapture"])
        .env("TLS_URL", url)
        .env("SSL_CERT_FILE", trusted)
        .output()
        .unwrap()
}

#[tokio::test]
async fn a_server_with_a_certificate_that_is_trusted_keeps_sessions_and_no_other_does() {
    if !is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    certificates::make(folder.path());
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let port = free_port();
    let _server = Server::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &file("server.crt"),
        "--tls-key-file",
        &file("server.key"),
        "--tls-auth-clients",
        "no",
        "--requirepass",
        "secret",
    ]);
    let (root, other) = (
        folder.path().join("root.crt"),
        folder.path().join("server.crt"),
    );
    let url = format!("rediss://:secret@localhost:{port}/2");
    let trusted = site(&url, &root);
    let said = String::from_utf8_lossy(&trusted.stdout);
    assert!(
        trusted.status.success() && said.contains("user ida"),
        "{trusted:?}"
    );
    // Another name, another root, and no TLS.
    for (url, trusted) in [
        (url.replace("localhost", "127.0.0.1"), &root),
        (url.clone(), &other),
        (url.replace("rediss", "redis"), &root),
    ] {
        let refused = site(&url, trusted);
        assert!(!refused.status.success(), "{url}: {refused:?}");
    }
}
