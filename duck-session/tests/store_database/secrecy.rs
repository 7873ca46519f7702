//! What whoever runs the database can read there, and what this program says of it.

use duck_session::store::DatabaseCache;
use tracing::instrument::WithSubscriber;

use crate::log::Log;
use crate::server::{Server, shared};
use crate::site::{is_503, read, refusal, settings, visitor};

#[tokio::test]
async fn a_dump_of_the_table_has_neither_id_nor_user_nor_data() {
    let Some(server) = shared() else { return };
    let database = server.database().await;
    let visitor = visitor(settings(&server.url(&database))).await;
    read(&visitor, "/login/charlotte-of-the-lake").await;
    assert_eq!(read(&visitor, "/add").await, "1");
    assert_eq!(read(&visitor, "/user").await, "charlotte-of-the-lake");
    let dump = server.dump(&database);
    assert!(dump.status.success(), "{dump:?}");
    let dump = String::from_utf8(dump.stdout).unwrap();
    assert!(dump.contains("COPY public.duck_sessions"), "{dump}");
    let id = visitor.cookie("session_id").unwrap();
    let bytes = data_encoding::BASE64URL_NOPAD
        .decode(id.as_bytes())
        .unwrap();
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let (selector, verifier) = bytes.split_at(16);
    let secrets = [
        id.clone(),
        hex(selector),
        hex(verifier),
        "charlotte".to_owned(),
        hex(b"charlotte"),
        "count".to_owned() + "\"",
        hex(b"count"),
        hex(b"a key for tests"),
    ];
    for secret in secrets {
        assert!(!dump.contains(&secret), "{secret} is in {dump}");
    }
}

#[tokio::test]
async fn the_password_is_in_no_log_no_error_and_no_debug_text() {
    let Some(mut server) = Server::with("", &["-A", "scram-sha-256"]) else {
        return;
    };
    let (log, url) = (Log::default(), server.url("postgres"));
    let wrong = url.replace("s3cret-of-me", "wrong-s3cret");
    let said = async {
        let mut said = refusal(settings(&wrong)).await;
        said += &refusal(settings(&format!("{url}?s3cret=1"))).await;
        let site = visitor(settings(&url)).await;
        read(&site, "/add").await;
        let store = DatabaseCache::open(&url).await.unwrap();
        said += &format!(
            "{store:?} {:?}",
            duck_session::SessionSettings::from_settings(&settings(&url))
        );
        server.kill();
        is_503(&site.get("/get").await);
        said += &DatabaseCache::open(&url).await.unwrap_err().chain();
        visitor(settings(&url)).await;
        said
    };
    let said = said.with_subscriber(log.clone()).await;
    let logged = log.entries("");
    assert!(logged.contains("does not answer"), "{logged}");
    assert!(said.contains("password authentication failed"), "{said}");
    for text in [said, logged] {
        assert!(!text.contains("s3cret"), "{text}");
    }
}
