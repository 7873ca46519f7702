//! The table: who makes it, and which one is taken.

use duck_session::store::{DatabaseCache, Durability, SessionStore};

use crate::server::{Server, shared};
use crate::site::{read, refusal, settings, visitor};
use crate::{key, session};

/// What `./mysite sessions schema` prints.
const SCHEMA: &str = include_str!("../../src/store/database/schema.sql");

fn as_user(server: &Server, user: &str, database: &str) -> String {
    server.url(database).replace("me:s3cret-of-me", user)
}

#[tokio::test]
async fn a_user_who_may_not_make_tables_uses_one_that_somebody_made() {
    let Some(server) = shared() else { return };
    let database = server.database().await;
    let client = server.client(&database).await;
    client
        .batch_execute("CREATE USER site; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        .await
        .unwrap();
    let url = as_user(server, "site", &database);
    let said = refusal(settings(&url)).await;
    for part in [
        "SESSION_DATABASE_URL",
        "permission denied for schema public",
        "sessions schema",
    ] {
        assert!(said.contains(part), "{said}");
    }
    // As psql would run it, more than once.
    client.batch_execute(SCHEMA).await.unwrap();
    client.batch_execute(SCHEMA).await.unwrap();
    let grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON duck_sessions TO site";
    assert!(SCHEMA.contains("GRANT SELECT, INSERT, UPDATE, DELETE ON duck_sessions TO"));
    client.batch_execute(grant).await.unwrap();
    let visitor = visitor(settings(&url)).await;
    assert_eq!(read(&visitor, "/add").await, "1");
    let store = DatabaseCache::open(&url).await.unwrap();
    store.remove_expired(u64::MAX, 10).await.unwrap();
    store.clear().await.unwrap();
    assert_eq!(read(&visitor, "/get").await, "0");
}

#[tokio::test]
async fn a_table_of_a_later_version_or_of_somebody_else_stops_the_start() {
    let Some(server) = shared() else { return };
    let database = server.database().await;
    let url = server.url(&database);
    let store = DatabaseCache::open(&url).await.unwrap();
    store
        .create(&session(1, "x"), Durability::Crash)
        .await
        .unwrap();
    let client = server.client(&database).await;
    for (comment, expected) in [
        (
            "'Sessions of Duck, schema 2'",
            "it has schema 2, and this program knows 1",
        ),
        ("'Sessions of Duck, schema 4294967297'", "is none of Duck's"),
        ("'ours'", "is none of Duck's"),
        ("NULL", "is none of Duck's"),
    ] {
        let comments = format!("COMMENT ON TABLE duck_sessions IS {comment}");
        client.batch_execute(&comments).await.unwrap();
        let said = refusal(settings(&url)).await;
        assert!(
            said.contains("SESSION_DATABASE_URL") && said.contains(expected),
            "{said}"
        );
        assert!(!said.contains("s3cret"), "{said}");
        assert!(DatabaseCache::open(&url).await.is_err());
    }
    client
        .batch_execute("COMMENT ON TABLE duck_sessions IS 'Sessions of Duck, schema 1'")
        .await
        .unwrap();
    let store = DatabaseCache::open(&url).await.unwrap();
    assert!(
        store.load(&key(1)).await.unwrap().is_some(),
        "nothing was touched"
    );
}

#[tokio::test]
async fn the_table_may_be_in_another_schema() {
    let Some(server) = shared() else { return };
    let database = server.database().await;
    let client = server.client(&database).await;
    client.batch_execute("CREATE SCHEMA apart").await.unwrap();
    let url = format!("{}?options=-csearch_path%3Dapart", server.url(&database));
    let store = DatabaseCache::open(&url).await.unwrap();
    store
        .create(&session(1, "x"), Durability::Crash)
        .await
        .unwrap();
    let count = client
        .query_one("SELECT count(*) FROM apart.duck_sessions", &[])
        .await
        .unwrap();
    assert_eq!(count.get::<_, i64>(0), 1);
}

/// A record of a later format is no session, and stays where it is.
#[tokio::test]
async fn a_row_of_a_later_format_is_no_session_and_stays() {
    let Some(server) = shared() else { return };
    let database = server.database().await;
    let visitor = visitor(settings(&server.url(&database))).await;
    assert_eq!(read(&visitor, "/add").await, "1");
    let client = server.client(&database).await;
    let later = "UPDATE duck_sessions SET bytes = '\\xff'::bytea || substr(bytes, 2)";
    assert_eq!(client.execute(later, &[]).await.unwrap(), 1);
    assert_eq!(read(&visitor, "/get").await, "0");
    let count = client
        .query_one("SELECT count(*) FROM duck_sessions", &[])
        .await
        .unwrap();
    assert_eq!(count.get::<_, i64>(0), 1);
}
