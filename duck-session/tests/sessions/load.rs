//! What is loaded, when, and what counts as dead: rules 8 to 13.

use std::time::Duration;

use duck::session::Expiry;
use duck::{Error, Request, text};
use duck_session::Clock;

use crate::support::{
    Op, ScriptedStore, id, over, page, page_with, read, scripted, settings, visit, with_id,
};

#[tokio::test]
async fn a_page_that_asks_for_no_session_costs_nothing() {
    let (client, cache) = scripted([page("/present", async |request| {
        Ok(text(request.session.is_present().to_string()))
    })])
    .await;
    read(&client, "/set/a/1").await;
    cache.calls();
    for (path, status, vary) in [
        ("/plain", 200, None),
        ("/present", 200, None),
        ("/missing", 404, Some("Accept")),
    ] {
        let response = client.get(path).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.header("vary"), vary, "{path}");
        assert_eq!(response.header("cache-control"), None, "{path}");
        assert_eq!(response.set_cookies(), [""; 0], "{path}");
    }
    let dead = with_id(&client, &"A".repeat(43));
    assert_eq!(dead.get("/plain").await.set_cookies(), [""; 0]);
    assert_eq!(cache.calls(), []);
}

#[tokio::test]
async fn every_accessor_loads_and_all_together_load_once() {
    macro_rules! pages {
        ($($name:literal => |$session:ident| $access:expr),* $(,)?) => {
            [$(($name, page(concat!("/x/", $name), async |request: Request| {
                let $session = request.session;
                let _ = $access.await?;
                Ok(text(""))
            }))),*]
        };
    }
    let pages = pages! {
        "get" => |s| s.get::<String>("a"),
        "contains" => |s| s.contains("a"),
        "keys" => |s| s.keys(),
        "len" => |s| s.len(),
        "is_empty" => |s| s.is_empty(),
        "is_new" => |s| s.is_new(),
        "to_struct" => |s| s.to_struct::<serde_json::Value>(),
        "user" => |s| s.user(),
        "set" => |s| s.set("a", "1"),
        "update" => |s| s.update("a", |_: &mut String| ()),
        "get_mut" => |s| s.get_mut::<String>("a"),
        "pop" => |s| s.pop::<String>("missing"),
        "remove" => |s| s.remove("missing"),
        "set_expiry" => |s| s.set_expiry(Expiry::Default),
        "expiry_age" => |s| s.expiry_age(),
        "expiry_date" => |s| s.expiry_date(),
        "save" => |s| s.save(),
    };
    let (names, pages): (Vec<_>, Vec<_>) = pages.into_iter().unzip();
    let (client, cache) = scripted(pages.into_iter().chain([page("/all", async |request| {
        let session = request.session;
        let part = || {
            let session = session.clone();
            tokio::spawn(async move { session.get::<String>("a").await.unwrap() })
        };
        let parts = [part(), part(), part()];
        let (keys, len) = tokio::join!(session.keys(), session.len());
        assert_eq!((keys?.len(), len?), (1, 1));
        for part in parts {
            assert_eq!(part.await?.as_deref(), Some("1"));
        }
        Ok::<_, Error>(text(""))
    })]))
    .await;
    read(&client, "/set/a/1").await;
    cache.calls();
    for name in names {
        read(&client, &format!("/x/{name}")).await;
        assert_eq!(cache.calls(), [Op::Load], "{name}");
    }
    read(&client, "/all").await;
    assert_eq!(cache.calls(), [Op::Load]);
}

/// Ten parts of a page do not wait ten times for a storage that does not answer.
#[tokio::test(start_paused = true)]
async fn a_load_that_failed_is_not_tried_again_by_the_next_part_of_the_page() {
    let (client, cache) = scripted([page("/parts", async |request| {
        let session = request.session;
        for _ in 0..10 {
            assert!(session.get::<u8>("a").await.is_err());
        }
        let (one, two) = tokio::join!(session.get::<u8>("a"), session.set("a", 1));
        assert!(one.is_err() && two.is_err());
        Ok(text(""))
    })])
    .await;
    read(&client, "/set/a/1").await;
    cache.calls();
    cache.hang(&[Op::Load]);
    let start = tokio::time::Instant::now();
    read(&client, "/parts").await;
    assert_eq!(cache.calls(), [Op::Load]);
    assert_eq!(start.elapsed().as_secs(), 2, "SESSION_STORE_TIMEOUT");
}

/// The engine looks at the clock itself: this cache keeps everything for ever.
#[tokio::test]
async fn an_expired_session_is_not_revived() {
    let clock = Clock::manual();
    let cache = ScriptedStore::default();
    let settings = settings()
        .with("SESSION_STORAGE", "TestStore")
        .with("SESSION_COOKIE_AGE", 60);
    let client = visit(settings, over(&cache).clock(clock.clone()), []).await;
    read(&client, "/login/7").await;
    let old = id(&client);
    clock.advance(Duration::from_millis(59_999));
    assert_eq!(read(&with_id(&client, &old), "/user").await, "7");
    clock.advance(Duration::from_millis(1));
    for path in ["/user", "/get/a"] {
        let response = with_id(&client, &old).get(path).await;
        assert_eq!(response.set_cookies(), [""; 0], "{path}");
    }
    assert_eq!(cache.len(), 0, "what was seen expired is gone");
    let visitor = with_id(&client, &old);
    read(&visitor, "/set/a/1").await;
    assert_ne!(id(&visitor), old, "an expired id is unknown");
    assert_eq!(read(&visitor, "/user").await, "nobody");
    assert_eq!(read(&with_id(&client, &old), "/user").await, "nobody");
}

/// What a request set is not stored when the session expires under it.
#[tokio::test]
async fn a_session_that_expires_during_a_request_is_not_revived() {
    let clock = Clock::manual();
    let cache = ScriptedStore::default();
    let settings = settings()
        .with("SESSION_STORAGE", "TestStore")
        .with("SESSION_COOKIE_AGE", 60);
    let more = [page_with("/slow", &clock, async |request, clock| {
        request.session.set("b", 2).await?;
        clock.advance(Duration::from_secs(61));
        Ok(text(""))
    })];
    let client = visit(settings, over(&cache).clock(clock.clone()), more).await;
    read(&client, "/login/7").await;
    let old = id(&client);
    read(&client, "/slow").await;
    assert_eq!(read(&with_id(&client, &old), "/user").await, "nobody");
}

#[tokio::test]
async fn a_wrong_key_destroys_nothing() {
    let cache = ScriptedStore::default();
    let settings = |key: &str| {
        settings()
            .with("SESSION_STORAGE", "TestStore")
            .with("SECRET_KEY", key)
    };
    let right = "the right key, of more than thirty-two bytes";
    let client = visit(settings(right), over(&cache), []).await;
    read(&client, "/login/7").await;
    let before = cache.versions();
    let wrong = visit(
        settings("a wrong key, also more than thirty-two"),
        over(&cache),
        [],
    )
    .await;
    wrong.set_cookie("session_id", &id(&client));
    assert_eq!(read(&wrong, "/user").await, "nobody");
    assert_eq!(cache.versions(), before);
    let again = visit(settings(right), over(&cache), []).await;
    again.set_cookie("session_id", &id(&client));
    assert_eq!(read(&again, "/user").await, "7");

    // The old servers and the new ones read the same sessions while both keys are known to all.
    let new = "the new key, of more than thirty-two bytes";
    let rotated = settings(new).with("SECRET_KEY_FALLBACKS", vec![right]);
    let rotated = visit(rotated, over(&cache), []).await;
    rotated.set_cookie("session_id", &id(&client));
    assert_eq!(read(&rotated, "/user").await, "7");
    assert_eq!(read(&rotated, "/add/n").await, "1");
    let before = cache.versions();
    assert_eq!(read(&again, "/user").await, "nobody", "it has the new key");
    assert_eq!(cache.versions(), before);
    let prepared = settings(right).with("SECRET_KEY_FALLBACKS", vec![new]);
    let prepared = visit(prepared, over(&cache), []).await;
    prepared.set_cookie("session_id", &id(&client));
    assert_eq!(read(&prepared, "/get/n").await, "1");
    read(&prepared, "/cycle").await;
    rotated.set_cookie("session_id", &id(&prepared));
    assert_eq!(read(&rotated, "/user").await, "7");
}
