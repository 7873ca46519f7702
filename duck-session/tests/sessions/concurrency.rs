//! Requests of one visitor side by side, in chosen orders: rules 24 to 29 and 38.

use std::sync::Arc;

use duck::testing::TestClient;
use duck::text;
use duck_session::SessionMiddleware;

use crate::support::{
    Gate, Op, ScriptedStore, When, id, over, page, page_with, read, scripted, settings, visit,
    visit_store, with_id,
};

/// Runs a request up to an operation of the cache, another one meanwhile, and then on.
async fn race(
    client: &TestClient,
    cache: &ScriptedStore,
    slow: &str,
    (op, when): (Op, When),
    fast: &str,
) -> duck::testing::TestResponse {
    let tab = with_id(client, &id(client));
    let gate = cache.hold(op, when);
    gate.beside(tab.get(slow), read(client, fast)).await
}

const LOADED: (Op, When) = (Op::Load, When::After);
const ABOUT_TO_SAVE: (Op, When) = (Op::Replace, When::Before);
const ABOUT_TO_END: (Op, When) = (Op::Remove, When::Before);

#[tokio::test]
async fn parallel_requests_both_keep_their_changes() {
    for at in [LOADED, ABOUT_TO_SAVE] {
        let (client, cache) = scripted([]).await;
        read(&client, "/set/old/0").await;
        let response = race(&client, &cache, "/set/a/1", at, "/set/b/2").await;
        assert_eq!(response.status(), 200);
        for (key, value) in [("a", "\"1\""), ("b", "\"2\""), ("old", "\"0\"")] {
            assert_eq!(read(&client, &format!("/get/{key}")).await, value, "{key}");
        }
        race(&client, &cache, "/set/a/3", at, "/set/a/4").await;
        assert_eq!(
            read(&client, "/get/a").await,
            "\"3\"",
            "the last save counts"
        );
        race(&client, &cache, "/remove/a", at, "/set/b/5").await;
        assert_eq!(read(&client, "/get/a").await, "nothing");
        assert_eq!(read(&client, "/get/b").await, "\"5\"");
        race(&client, &cache, "/add/n", at, "/add/n").await;
        assert_eq!(read(&client, "/get/n").await, "2");
    }
}

#[tokio::test]
async fn a_logout_is_not_undone_by_a_slow_write() {
    for at in [LOADED, ABOUT_TO_SAVE] {
        for slow in ["/set/a/1", "/add/n", "/cycle"] {
            let (client, cache) = scripted([]).await;
            read(&client, "/login/7").await;
            let old = id(&client);
            let response = race(&client, &cache, slow, at, "/logout").await;
            assert_eq!(response.status(), 200, "{slow}");
            assert_eq!(response.set_cookies(), [""; 0], "{slow}");
            assert_eq!(cache.len(), 0, "{slow}");
            assert_eq!(read(&with_id(&client, &old), "/user").await, "nobody");
        }
    }
}

/// A write that was there before does not save the session from the logout.
#[tokio::test]
async fn a_logout_wins_over_whatever_was_written_meanwhile() {
    for fast in ["/set/a/1", "/add/n", "/cycle", "/login/7"] {
        for at in [LOADED, ABOUT_TO_END] {
            let (client, cache) = scripted([]).await;
            read(&client, "/login/7").await;
            let response = race(&client, &cache, "/logout", at, fast).await;
            assert_eq!(response.status(), 200, "{fast}");
            assert!(response.set_cookies()[0].contains("Max-Age=0"), "{fast}");
            assert_eq!(read(&client, "/user").await, "nobody", "{fast} {at:?}");
        }
    }
}

#[tokio::test]
async fn a_slow_write_does_not_revive_an_id_that_was_given_up() {
    for fast in ["/cycle", "/login/7"] {
        for slow in ["/set/a/2", "/cycle", "/login/8"] {
            let (client, cache) = scripted([]).await;
            read(&client, "/set/a/1").await;
            let old = id(&client);
            let response = race(&client, &cache, slow, ABOUT_TO_SAVE, fast).await;
            if slow == "/set/a/2" {
                assert_eq!(response.status(), 200);
                assert_eq!(response.set_cookies(), [""; 0]);
            }
            assert_eq!(read(&with_id(&client, &old), "/get/a").await, "nothing");
            assert_eq!(read(&client, "/get/a").await, "\"1\"", "{fast} {slow}");
        }
    }
}

#[tokio::test]
async fn a_session_gone_at_the_save_is_left_in_peace() {
    let (client, cache) = scripted([]).await;
    read(&client, "/set/a/1").await;
    let tab = with_id(&client, &id(&client));
    let gate = cache.hold(Op::Replace, When::Before);
    let response = gate
        .beside(tab.get("/set/b/2"), async {
            read(&client, "/logout").await;
            cache.calls();
        })
        .await;
    assert_eq!((response.status().as_u16(), response.text()), (200, "set"));
    assert_eq!(response.set_cookies(), [""; 0]);
    assert_eq!(response.header("cache-control"), None);
    assert_eq!(cache.calls(), [Op::Load], "nothing is written");
    assert_eq!(cache.len(), 0);
}

#[tokio::test]
async fn two_first_visits_are_two_sessions() {
    let (client, cache) = scripted([]).await;
    let (one, two) = (client.another(), client.another());
    let gate = cache.hold(Op::Create, When::Before);
    gate.beside(read(&one, "/set/a/1"), read(&two, "/set/a/2"))
        .await;
    assert_ne!(id(&one), id(&two));
    assert_eq!(read(&one, "/get/a").await, "\"1\"");
    assert_eq!(read(&two, "/get/a").await, "\"2\"");
}

/// A cache that always says somebody else was faster.
#[tokio::test(start_paused = true)]
async fn a_conflict_that_cannot_be_settled_is_a_409() {
    let (client, cache) = scripted([]).await;
    read(&client, "/set/n/0").await;
    let before = cache.versions();
    cache.refuse_replacing();
    for path in ["/add/m", "/cycle", "/login/7"] {
        cache.calls();
        let response = client.get(path).await;
        assert_eq!(response.status(), 409, "{path}");
        assert_eq!(response.set_cookies(), [""; 0], "{path}");
        let calls = cache.calls();
        let tries = calls.iter().filter(|op| **op == Op::Replace).count();
        assert_eq!(tries, 32, "{path}");
        assert_eq!(cache.versions(), before, "{path}");
    }
}

/// However many write, nobody has to give up.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn logging_in_under_a_load_of_writes_succeeds() {
    let client = Arc::new(visit(settings(), SessionMiddleware::new(), []).await);
    for _ in 0..20 {
        read(&client, "/set/a/1").await;
        let tab = Arc::new(with_id(&client, &id(&client)));
        let writers: Vec<_> = (0..40)
            .map(|_| {
                let tab = tab.clone();
                tokio::spawn(async move { tab.get("/add/n").await.status() })
            })
            .collect();
        assert_eq!(client.get("/login/7").await.status(), 200);
        for writer in writers {
            assert_eq!(writer.await.unwrap(), 200);
        }
    }
}

/// What one request changes in a value is not seen by another before it is saved.
#[tokio::test]
async fn a_nested_change_is_private_until_it_is_saved() {
    let gate = Gate::new();
    let client = visit_store(
        settings(),
        &ScriptedStore::default(),
        [
            page("/begin", async |request| {
                request.session.set("list", vec![1]).await?;
                Ok(text(""))
            }),
            page_with("/push", &gate, async |request, gate| {
                let mut list = request.session.get_mut::<Vec<u8>>("list").await?.unwrap();
                list.push(2);
                drop(list);
                gate.pass().await;
                Ok(text(""))
            }),
        ],
    )
    .await;
    read(&client, "/begin").await;
    gate.beside(read(&client, "/push"), async {
        assert_eq!(read(&client, "/get/list").await, "[1]");
    })
    .await;
    assert_eq!(read(&client, "/get/list").await, "[1,2]");
}

/// There is no tier in front of the storage that could answer from memory.
#[tokio::test]
async fn a_session_deleted_elsewhere_is_over_at_the_next_load() {
    let cache = ScriptedStore::default();
    let settings = || settings().with("SESSION_STORAGE", "TestStore");
    let here = visit(settings(), over(&cache), []).await;
    let there = visit(settings(), over(&cache), []).await;
    read(&here, "/login/7").await;
    there.set_cookie("session_id", &id(&here));
    assert_eq!(read(&there, "/user").await, "7");
    read(&there, "/logout").await;
    assert_eq!(read(&here, "/user").await, "nobody");
}
