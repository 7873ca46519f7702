//! What a session may hold, and what the memory storage gives up first: rules 59 and 61.

use std::time::Duration;

use duck::session::SessionError;
use duck::{Request, path, text};
use duck_session::{Clock, SessionMiddleware};
use serde_json::Value;

use crate::log::Log;
use crate::support::{
    Op, ScriptedStore, When, id, over, page, read, settings, visit, visit_store, with_id,
};

fn is_too_large(result: Result<(), SessionError>, limit: &str) {
    match result {
        Err(SessionError::TooLarge(text)) => assert!(text.contains(limit), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn bytes_are_counted_to_the_last_one() {
    // {"a":"xx…"} is 8 bytes and the text; a second key costs its own text and 7 bytes.
    let more = [page("/check", async |request: Request| {
        let session = request.session;
        let of = |length: usize| "x".repeat(length);
        is_too_large(session.set("a", of(93)).await, "SESSION_MAX_BYTES");
        session.set("a", of(92)).await?;
        is_too_large(session.set("a", of(93)).await, "SESSION_MAX_BYTES is 100");
        assert_eq!(session.get("a").await?, Some(of(92)), "it is as it was");
        session.set("a", of(40)).await?;
        session.set("b", of(45)).await?;
        is_too_large(session.set("b", of(46)).await, "SESSION_MAX_BYTES");
        let grow = session
            .update("b", |text: &mut String| text.push('x'))
            .await;
        is_too_large(grow.map(drop), "SESSION_MAX_BYTES");
        is_too_large(session.set("c", 1).await, "SESSION_MAX_BYTES");
        session.remove("b").await?;
        session.set("c", 1).await?;
        Ok(text(""))
    })];
    let settings = settings().with("SESSION_MAX_BYTES", 100);
    let client = visit_store(settings, &ScriptedStore::default(), more).await;
    read(&client, "/check").await;
    assert_eq!(read(&client, "/get/c").await, "1");
}

#[tokio::test]
async fn keys_and_depth_are_counted_to_the_last_one() {
    let more = [page("/check", async |request: Request| {
        let session = request.session;
        session.login("7").await?;
        for key in ["a", "b", "c"] {
            session.set(key, 1).await?;
        }
        is_too_large(session.set("d", 1).await, "SESSION_MAX_KEYS is 3");
        session.set("c", 2).await?;
        session.remove("a").await?;
        session.set("d", 1).await?;
        let nested = |depth: usize| {
            let wrap = |value: Value, _| Value::from(vec![value]);
            (1..depth).fold(Value::Array(Vec::new()), wrap)
        };
        session.set("c", nested(127)).await?;
        let too_deep = session.set("c", nested(128)).await;
        assert!(
            matches!(too_deep, Err(SessionError::Value { .. })),
            "{too_deep:?}"
        );
        session.set("c", "[".repeat(200)).await?;
        Ok(text(""))
    })];
    let settings = settings().with("SESSION_MAX_KEYS", 3);
    let client = visit_store(settings, &ScriptedStore::default(), more).await;
    read(&client, "/check").await;
    assert_eq!(read(&client, "/get/b").await, "1");
}

/// Each of the two was allowed the last key.
#[tokio::test]
async fn two_requests_at_once_do_not_pass_the_limit_of_keys_together() {
    let store = ScriptedStore::default();
    let settings = settings().with("SESSION_MAX_KEYS", 2);
    let client = visit_store(settings, &store, []).await;
    read(&client, "/set/a/1").await;
    let tab = with_id(&client, &id(&client));
    let gate = store.hold(Op::Load, When::After);
    let slow = gate
        .beside(tab.get("/set/c/1"), read(&client, "/set/b/1"))
        .await;
    assert_eq!(slow.status(), 413);
    assert_eq!(read(&client, "/get/b").await, "\"1\"");
    assert_eq!(read(&client, "/get/c").await, "nothing");
}

#[tokio::test]
async fn a_session_that_a_lowered_limit_made_too_large_can_be_visited_and_shrink() {
    let (store, clock) = (ScriptedStore::default(), Clock::manual());
    let sessions = || over(&store).clock(clock.clone());
    let settings = || settings().with("SESSION_STORAGE", "TestStore");
    let client = visit(settings(), sessions(), []).await;
    for key in ["a", "b", "c", "d"] {
        read(&client, &format!("/set/{key}/{}", "x".repeat(50))).await;
    }
    let lowered = settings()
        .with("SESSION_MAX_BYTES", 100)
        .with("SESSION_SAVE_EVERY_REQUEST", true);
    let lower = visit(lowered, sessions(), []).await;
    let client = with_id(&lower, &id(&client));
    clock.advance(Duration::from_secs(1));
    assert_eq!(client.get("/set/e/1").await.status(), 413);
    let visit = client.get("/get/a").await;
    assert_eq!(visit.status(), 200);
    assert_eq!(visit.set_cookies().len(), 1, "the visit moved the end");
    assert_eq!(client.get("/remove/a").await.status(), 200);
    assert_eq!(read(&client, "/get/a").await, "nothing");
    assert_eq!(client.get("/logout").await.status(), 200);
}

#[tokio::test]
async fn a_page_that_passes_a_limit_leaves_the_stored_session_as_it_was() {
    let more = [path(
        "/fill/<length>",
        async |request: Request, length: usize| {
            request.session.set("small", 1).await?;
            request.session.set("large", "x".repeat(length)).await?;
            Ok::<_, duck::Error>(text(""))
        },
    )];
    let client = visit(settings(), SessionMiddleware::new(), more).await;
    read(&client, "/set/a/1").await;
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let refused = client.get("/fill/65536").await;
    let heard = log.entries("duck_session ");
    assert!(
        heard.contains("would bring it to 65566 bytes") && heard.contains("limits.rs"),
        "{heard}"
    );
    assert_eq!(refused.status(), 413);
    assert!(!refused.text().contains("large\""), "{}", refused.text());
    assert_eq!(refused.set_cookies(), [""; 0]);
    assert_eq!(read(&client, "/get/small").await, "nothing");
    assert_eq!(read(&client, "/get/a").await, "\"1\"");
    read(&client, "/fill/65000").await;
    assert_eq!(read(&client, "/get/small").await, "1");
}

/// The visitor sees a status; the error has the key, the size and the limit for the log.
#[tokio::test]
async fn a_session_that_would_not_fit_is_a_413_whose_error_names_key_and_size() {
    let more = [page("/check", async |request: Request| {
        let session = request.session;
        for (result, says) in [
            (
                session.set("cart", "x".repeat(100)).await,
                "\"cart\" would bring it to 111 bytes, and SESSION_MAX_BYTES is 100",
            ),
            (session.set("a", 1).await, ""),
            (
                session.set("cart", 1).await,
                "\"cart\" would be key number 2, and SESSION_MAX_KEYS is 1",
            ),
        ] {
            let said = result.err();
            assert_eq!(said.is_none(), says.is_empty());
            if let Some(error) = said {
                assert_eq!(error.status(), 413);
                assert_eq!(
                    error.to_string(),
                    format!("the session would be too large: {says}")
                );
            }
        }
        Ok(text(""))
    })];
    let settings = settings()
        .with("SESSION_MAX_BYTES", 100)
        .with("SESSION_MAX_KEYS", 1);
    let client = visit_store(settings, &ScriptedStore::default(), more).await;
    read(&client, "/check").await;
}

#[tokio::test]
async fn many_anonymous_visitors_push_nobody_out_who_is_logged_in() {
    let small = settings().with("SESSION_MAX_SESSIONS", 100);
    let client = visit(small, SessionMiddleware::new(), []).await;
    let mut users = Vec::new();
    for user in 0..50 {
        let visitor = client.another();
        read(&visitor, "/set/cart/full").await;
        read(&visitor, &format!("/login/{user}")).await;
        users.push(visitor);
    }
    let mut last = String::new();
    for _ in 0..2000 {
        let crawler = client.another();
        read(&crawler, "/set/a/1").await;
        last = id(&crawler);
    }
    for (user, visitor) in users.iter().enumerate() {
        assert_eq!(read(visitor, "/user").await, user.to_string());
        assert_eq!(read(visitor, "/get/cart").await, "\"full\"");
    }
    assert_eq!(read(&with_id(&client, &last), "/get/a").await, "\"1\"");
}

#[tokio::test]
async fn memory_is_bounded_by_bytes_too() {
    let small = settings().with("SESSION_MEMORY_BYTES", 64 << 10);
    let client = visit(small, SessionMiddleware::new(), []).await;
    read(&client, "/login/7").await;
    let big = "x".repeat(4000);
    let mut visitors = Vec::new();
    for _ in 0..100 {
        let visitor = client.another();
        read(&visitor, &format!("/set/a/{big}")).await;
        visitors.push(visitor);
    }
    let mut alive = 0;
    for visitor in &visitors {
        alive += usize::from(visitor.get("/get/a").await.text() != "nothing");
    }
    assert!((10..=16).contains(&alive), "{alive} of 4 KB in 64 KB");
    assert_eq!(read(&client, "/user").await, "7");
}
