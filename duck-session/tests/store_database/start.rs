//! What a site's settings say of the database, and a start without it.

use duck::Settings;
use duck_session::store::DatabaseCache;
use rustix::process::Signal;
use std::time::{Duration, Instant};

use crate::server::{Server, shared};
use crate::site::{is_503, read, recovers, refusal, settings, visitor};

#[tokio::test]
async fn a_setting_that_cannot_be_right_is_named_with_its_line() {
    for (line, expected) in [
        ("", "SESSION_DATABASE_URL (not set): names the database"),
        (
            "SESSION_DATABASE_URL = ''",
            "postgres://user:password@host/database",
        ),
        (
            "SESSION_DATABASE_URL = 'mysql://me:s3cret@host/site'",
            "line 3",
        ),
        (
            "SESSION_DATABASE_URL = 'postgres:me:s3cret'",
            "is no URL of PostgreSQL",
        ),
        (
            "SESSION_DATABASE_URL = 'postgres://me:s3cret@host/site?sslmode=s3cret'",
            "verify-full",
        ),
        (
            "SESSION_DATABASE_URL = 'postgres://me@host/site?sslmode=require&sslrootcert=/no/such'",
            "/no/such",
        ),
        (
            "SESSION_DATABASE_URL = 'postgres://me@host:s3cret/site'",
            "line 3",
        ),
        ("SESSION_DATABASE_URL = 7", "SESSION_DATABASE_URL"),
        ("SESSION_DATABASE_URL = 'sqlite:'", "sqlite:sessions.db"),
        (
            "SESSION_DATABASE_URL = 'sqlite::memory:'",
            "sqlite:sessions.db",
        ),
        ("SESSION_DATABASE_POOL = 0", "SESSION_DATABASE_POOL"),
    ] {
        let text = format!(
            "SECRET_KEY = 'a key for tests of more than thirty-two bytes'\nSESSION_STORAGE = 'duck.DatabaseCache'\n{line}"
        );
        let said = refusal(Settings::from_toml(&text).unwrap()).await;
        assert!(said.contains(expected), "{line}: {said}");
        assert!(!said.contains("s3cret"), "{line}: {said}");
    }
}

#[tokio::test]
async fn a_site_needs_no_folder_for_its_sessions() {
    let Some(server) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&server.url(&server.database().await)).in_folder(folder.path());
    let visitor = visitor(settings).await;
    assert_eq!(read(&visitor, "/add").await, "1");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn over_a_unix_socket() {
    let Some(server) = shared() else { return };
    let socket = server.folder().to_str().unwrap().replace('/', "%2F");
    let url = format!(
        "postgres://me@{socket}:{}/postgres?sslmode=require",
        server.port
    );
    DatabaseCache::open(&url).await.unwrap();
}

#[tokio::test]
async fn what_a_server_refuses_stops_the_start() {
    let Some(server) = Server::with("", &["-A", "scram-sha-256"]) else {
        return;
    };
    let url = server.url("postgres");
    for (url, expected) in [
        (
            url.replace("s3cret-of-me", "wrong"),
            "password authentication failed",
        ),
        (url.replace(":s3cret-of-me", ""), "password missing"),
        (
            url.replace("/postgres", "/nowhere"),
            "database \"nowhere\" does not exist",
        ),
        (
            format!("{url}?sslmode=verify-full"),
            "server does not support TLS",
        ),
        (
            format!("{url}?options=-cdefault_transaction_read_only%3Don"),
            "read-only transaction",
        ),
    ] {
        // (the scheme has the word, too)
        let url = url.replacen("/nowhere:", "postgres:", 1);
        let said = refusal(settings(&url)).await;
        assert!(
            said.contains("SESSION_DATABASE_URL") && said.contains(expected),
            "{url}: {said}"
        );
    }
    read(&visitor(settings(&url)).await, "/add").await;
}

#[tokio::test]
async fn a_site_starts_while_the_database_is_down_and_recovers_by_itself() {
    let Some(mut server) = Server::new() else {
        return;
    };
    server.stop();
    let site = visitor(settings(&server.url("postgres"))).await;
    assert_eq!(read(&site, "/plain").await, "plain");
    for _ in 0..8 {
        let start = Instant::now();
        is_503(&site.get("/add").await);
        assert!(
            start.elapsed() < Duration::from_millis(1900),
            "{:?}",
            start.elapsed()
        );
    }
    server.start();
    assert_eq!(recovers(&site, "/add").await, "1");
    assert_eq!(read(&site, "/get").await, "1");
}

#[tokio::test]
async fn a_site_starts_while_the_database_hangs() {
    let Some(server) = Server::new() else { return };
    server.signal(Signal::STOP);
    let start = Instant::now();
    let site = visitor(settings(&server.url("postgres"))).await;
    is_503(&site.get("/add").await);
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    server.signal(Signal::CONT);
    assert_eq!(recovers(&site, "/add").await, "1");
}
