//! What other session layers got wrong, each under the name of what happened. More of them stand
//! with their subjects: `grep` for the name.

use std::path::Path;

use duck::testing::TestClient;
use duck::{Error, Request, text};
use duck_session::SessionMiddleware;

use crate::support::{
    Op, ScriptedStore, id, page, read, scripted, settings, visit, visit_store, with_id,
};

async fn on_disk(dir: &Path) -> TestClient {
    let settings = settings()
        .with("SESSION_STORAGE", "KeyAsFolderCache")
        .with("SESSION_DIR", dir.to_str().unwrap());
    visit(settings, SessionMiddleware::new(), []).await
}

#[tokio::test]
async fn an_id_from_a_cookie_never_becomes_a_path() {
    let temp = tempfile::tempdir().unwrap();
    let precious = temp.path().join("precious");
    std::fs::create_dir(&precious).unwrap();
    let client = on_disk(&temp.path().join("sessions")).await;
    for value in ["../precious", precious.to_str().unwrap(), "../written"] {
        let cookie = format!("session_id={value}");
        for path in ["/get/a", "/set/a/1", "/logout", "/login/7"] {
            let response = client.another().get(path).header("cookie", &cookie).await;
            assert_eq!(response.status(), 200);
        }
    }
    let names = |dir: &Path| std::fs::read_dir(dir).unwrap().count();
    assert!(precious.is_dir());
    assert_eq!(names(&precious), 0);
    assert_eq!(names(temp.path()), 2, "something was written beside");
}

#[tokio::test]
async fn a_dot_as_id_wipes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let client = on_disk(&temp.path().join("sessions")).await;
    read(&client, "/login/7").await;
    for value in [".", "./", "", "v1", "..", "*"] {
        let cookie = format!("session_id={value}");
        for path in ["/get/a", "/logout", "/clear"] {
            client.another().get(path).header("cookie", &cookie).await;
        }
    }
    assert_eq!(read(&client, "/user").await, "7");
}

#[tokio::test]
async fn logout_ends_the_session() {
    let (client, cache) = scripted([]).await;
    read(&client, "/login/42").await;
    read(&client, "/set/a/1").await;
    let old = id(&client);
    let response = client.get("/logout").await;
    assert!(response.set_cookies()[0].contains("Max-Age=0"));
    let replayed = with_id(&client, &old);
    assert_eq!(read(&replayed, "/user").await, "nobody");
    assert_eq!(read(&replayed, "/get/a").await, "nothing");
    assert_eq!(cache.len(), 0);
}

#[tokio::test]
async fn data_of_a_failed_page_is_not_saved() {
    let (client, cache) = scripted([page("/boom", async |request: Request| {
        request.session.set("boom", 1).await?;
        Err(Error::internal("boom"))
    })])
    .await;
    let response = client.get("/boom").await;
    assert_eq!(response.status(), 500);
    assert_eq!(response.set_cookies(), [""; 0]);
    assert_eq!(cache.len(), 0);
}

/// Anonymous clients filled the store: with empty records, and with records for unknown ids.
#[tokio::test]
async fn visitors_who_set_nothing_fill_no_storage() {
    let (client, cache) = scripted([]).await;
    for n in 0..100 {
        let id = format!("{n:0>42}A");
        for path in [
            "/get/a",
            "/logout",
            "/user",
            "/clear",
            "/cycle",
            "/remove/a",
        ] {
            with_id(&client, &id).get(path).await;
        }
    }
    assert_eq!(cache.len(), 0);
}

/// The id of a deleted session was saved again, because the handle still said "changed".
#[tokio::test]
async fn a_session_that_was_flushed_is_not_saved_under_its_old_id() {
    let (client, cache) = scripted([page("/flush", async |request: Request| {
        request.session.flush().await?;
        request.session.set_modified(true);
        Ok(text(""))
    })])
    .await;
    read(&client, "/set/a/1").await;
    let old = id(&client);
    read(&client, "/flush").await;
    assert_eq!(cache.len(), 0);
    read(&with_id(&client, &old), "/set/b/2").await;
    assert_eq!(read(&with_id(&client, &old), "/get/b").await, "nothing");
}

#[tokio::test]
async fn a_page_costs_one_read_and_one_write_and_the_last_writes_are_flushed() {
    let (client, cache) = scripted([]).await;
    for (path, calls) in [
        ("/set/a/1", &[Op::Create][..]),
        ("/get/a", &[Op::Load]),
        ("/set/a/2", &[Op::Load, Op::Replace]),
        ("/cycle", &[Op::Load, Op::Replace]),
        ("/login/7", &[Op::Load, Op::List, Op::Replace]),
        ("/logout", &[Op::Load, Op::Remove]),
    ] {
        read(&client, path).await;
        assert_eq!(cache.calls(), calls, "{path}");
    }
    assert_eq!(cache.flushes(), 0);
    client.site().stop().await;
    assert_eq!(cache.flushes(), 1);
}

/// An id that exists already was given out again, with the other visitor's session.
#[tokio::test]
async fn a_new_session_never_takes_the_place_of_another() {
    let (client, cache) = scripted([]).await;
    cache.refuse_creating(3);
    read(&client, "/set/a/1").await;
    let mut calls = cache.calls();
    calls.retain(|op| *op == Op::Create);
    assert_eq!(calls, [Op::Create; 4]);
    assert_eq!(cache.len(), 1);
    assert_eq!(read(&client, "/get/a").await, "\"1\"");
}

/// A cookie or record without encryption was taken, where encryption was asked for.
#[tokio::test]
async fn a_record_in_clear_is_never_taken() {
    let (client, cache) = scripted([]).await;
    read(&client, "/set/a/1").await;
    let ours = cache.only();
    // Whoever can write the storage makes a record of their own, with a key of their own.
    let forge = settings()
        .with("SECRET_KEY", "a key of somebody else, of thirty-two bytes")
        .with("SESSION_ENCRYPT", false);
    let forger = ScriptedStore::default();
    let admin = visit_store(forge, &forger, []).await;
    read(&admin, "/login/admin").await;
    let planted = forger.only();
    for key_id in [None, Some(&ours.bytes()[5..13]), Some(&[0; 8][..])] {
        let mut bytes = planted.bytes().to_vec();
        if let Some(key_id) = key_id {
            bytes[5..13].copy_from_slice(key_id);
        }
        cache.put_bytes(&planted, bytes);
        let response = with_id(&client, &id(&admin)).get("/user").await;
        assert_eq!(response.text(), "nobody", "{key_id:?}");
    }
}

#[tokio::test]
async fn a_key_of_any_good_length_works() {
    for length in [32, 33, 64, 1000] {
        let settings = settings().with("SECRET_KEY", "k".repeat(length));
        let client = visit_store(settings, &ScriptedStore::default(), []).await;
        read(&client, "/set/a/1").await;
        assert_eq!(read(&client, "/get/a").await, "\"1\"");
    }
}
