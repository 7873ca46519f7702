//! TLS: who is spoken to, and who is not.

use std::fs;
use std::path::PathBuf;

use duck_session::store::DatabaseCache;

use crate::certificates;
use crate::server::{Server, give_to_postgres};
use crate::site::{read, refusal, settings, visitor};

/// A server with a certificate for `localhost`, and the file of the root that it leads to.
fn server() -> Option<(Server, PathBuf)> {
    let mut server = Server::new()?;
    let folder = server.data();
    certificates::make(&folder);
    for name in ["server.crt", "server.key"] {
        give_to_postgres(&folder.join(name));
    }
    let configuration = folder.join("postgresql.auto.conf");
    let lines = fs::read_to_string(&configuration).unwrap() + "ssl = on\n";
    fs::write(&configuration, lines).unwrap();
    fs::write(
        folder.join("pg_hba.conf"),
        "hostssl all all 127.0.0.1/32 trust\nlocal all all trust\n",
    )
    .unwrap();
    server.stop();
    server.start();
    Some((server, folder.join("root.crt")))
}

#[tokio::test]
async fn a_server_proves_who_it_is_where_it_is_asked_to() {
    let Some((server, root)) = server() else {
        return;
    };
    let url = format!("postgres://me@localhost:{}/postgres", server.port);
    let root = root.to_str().unwrap();
    let checked = format!("sslmode=verify-full&sslrootcert={root}");
    DatabaseCache::open(&format!("{url}?{checked}"))
        .await
        .unwrap();
    read(
        &visitor(settings(&format!("{url}?{checked}"))).await,
        "/add",
    )
    .await;
    // As PostgreSQL's own programs: encrypted, and nothing asked.
    DatabaseCache::open(&url).await.unwrap();
    DatabaseCache::open(&format!("{url}?sslmode=prefer"))
        .await
        .unwrap();
    for (query, expected) in [
        ("sslmode=verify-full".to_owned(), "certificate"),
        ("sslmode=require".to_owned(), "certificate"),
        ("sslmode=disable".to_owned(), "no encryption"),
    ] {
        let said = refusal(settings(&format!("{url}?{query}"))).await;
        assert!(
            said.contains("SESSION_DATABASE_URL") && said.contains(expected),
            "{query}: {said}"
        );
    }
    let by_number = url.replace("localhost", "127.0.0.1");
    let said = refusal(settings(&format!("{by_number}?{checked}"))).await;
    assert!(said.contains("certificate"), "another name: {said}");
}
