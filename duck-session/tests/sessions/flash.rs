//! Messages for the visitor: rule 69.

use std::sync::{Arc, Mutex};

use duck::session::FlashLevel::{Error, Info, Success, Warning};
use duck::session::{Flash, SessionError};
use duck::testing::TestClient;
use duck::{Request, Response, Result, StatusCode, UrlPattern, path, text};
use duck_session::SessionMiddleware;

use crate::support::{
    Op, ScriptedStore, When, id, page, page_with, read, scripted, settings, visit, visit_store,
    with_id,
};

fn shown(flashes: &[Flash]) -> Response {
    let line = |flash: &Flash| format!("{}:{}", flash.level, flash.message);
    text(flashes.iter().map(line).collect::<Vec<_>>().join(" "))
}

async fn leave(request: Request, message: String) -> Result<&'static str> {
    request.session.flash(Info, message).await?;
    Ok("left")
}

async fn show(request: Request) -> Result<Response> {
    Ok(shown(&request.session.flashes().await?))
}

fn pages() -> Vec<UrlPattern> {
    vec![
        path("/leave/<message>", leave),
        path("/show", show),
        page("/both", async |request| {
            request.session.flash(Success, "here").await?;
            request.session.flash_now(Warning, "now").await?;
            Ok(shown(&request.session.flashes().await?))
        }),
        page("/redirects", async |request| {
            request.session.flashes().await?;
            request.session.flash_now(Error, "now").await?;
            request.session.keep_flashes().await?;
            request.session.keep_flashes().await?;
            Ok(text("elsewhere"))
        }),
        page("/fails", async |request| {
            request.session.set("a", 1).await?;
            request.session.flash(Info, "of a failed page").await?;
            Ok(shown(&request.session.flashes().await?)
                .with_status(StatusCode::INTERNAL_SERVER_ERROR))
        }),
        page("/leaves-and-fails", async |request| {
            request.session.flash(Info, "of a failed page").await?;
            Ok(text("").with_status(StatusCode::INTERNAL_SERVER_ERROR))
        }),
        page("/logout-and-say", async |request| {
            request.session.logout().await?;
            request.session.flash(Info, "bye").await?;
            Ok(text(""))
        }),
    ]
}

async fn visitor() -> (TestClient, ScriptedStore) {
    scripted(pages()).await
}

#[tokio::test]
async fn a_message_is_shown_once_by_the_next_page_that_asks() {
    let (client, cache) = visitor().await;
    read(&client, "/leave/one").await;
    read(&client, "/leave/two").await;
    read(&client, "/get/a").await;
    assert_eq!(read(&client, "/show").await, "info:one info:two");
    cache.calls();
    assert_eq!(read(&client, "/show").await, "");
    assert_eq!(
        cache.calls(),
        [Op::Load],
        "nothing to take, nothing to write"
    );
    assert_eq!(read(&client.another(), "/show").await, "");
}

#[tokio::test]
async fn a_page_shows_what_it_says_itself_after_what_was_said_before() {
    let (client, cache) = visitor().await;
    let response = client.get("/both").await;
    assert_eq!(response.text(), "success:here warning:now");
    assert_eq!(response.set_cookies(), [""; 0], "there is nothing to keep");
    assert_eq!(cache.len(), 0);
    read(&client, "/leave/before").await;
    assert_eq!(
        read(&client, "/both").await,
        "info:before success:here warning:now"
    );
    assert_eq!(read(&client, "/show").await, "");
}

#[tokio::test]
async fn of_two_requests_that_ask_at_once_one_shows_it() {
    for at in [(Op::Load, When::After), (Op::Replace, When::Before)] {
        let (client, cache) = visitor().await;
        read(&client, "/leave/once").await;
        let tab = with_id(&client, &id(&client));
        let gate = cache.hold(at.0, at.1);
        let (slow, fast) = tokio::join!(read(&tab, "/show"), async {
            gate.reached().await;
            let fast = read(&client, "/show").await;
            gate.open();
            fast
        });
        assert_eq!((&*slow, &*fast), ("", "info:once"), "{at:?}");
    }
}

/// The one that comes second shows what was said between.
#[tokio::test]
async fn a_request_that_was_overtaken_shows_what_is_really_there() {
    let (client, cache) = visitor().await;
    read(&client, "/leave/once").await;
    let tab = with_id(&client, &id(&client));
    let gate = cache.hold(Op::Replace, When::Before);
    let slow = gate
        .beside(read(&tab, "/both"), async {
            assert_eq!(read(&client, "/show").await, "info:once");
            read(&client, "/leave/since").await;
        })
        .await;
    assert_eq!(slow, "info:since success:here warning:now");
    assert_eq!(read(&client, "/show").await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_ask_at_once_one_shows_it_whatever_the_storage() {
    let temp = tempfile::tempdir().unwrap();
    let mut storages = vec!["InMemoryCache", "KeyAsFolderCache"];
    if cfg!(feature = "dynamic-file") {
        storages.push("DynamicFileCache");
    }
    for storage in storages {
        let settings = settings()
            .with("SESSION_STORAGE", storage)
            .with("SESSION_DIR", temp.path().join(storage).to_str().unwrap());
        let client = Arc::new(visit(settings, SessionMiddleware::new(), pages()).await);
        for round in 0..5 {
            read(&client, &format!("/leave/{round}")).await;
            let asks = (0..8).map(|_| {
                let client = client.clone();
                tokio::spawn(async move { read(&client, "/show").await })
            });
            let mut all = String::new();
            for ask in asks.collect::<Vec<_>>() {
                all += &ask.await.unwrap();
            }
            assert_eq!(all, format!("info:{round}"), "{storage}");
        }
    }
}

#[tokio::test]
async fn messages_of_requests_side_by_side_are_all_kept() {
    let (client, cache) = visitor().await;
    read(&client, "/set/a/1").await;
    let tab = with_id(&client, &id(&client));
    let gate = cache.hold(Op::Replace, When::Before);
    gate.beside(read(&tab, "/leave/slow"), read(&client, "/leave/fast"))
        .await;
    assert_eq!(read(&client, "/show").await, "info:fast info:slow");
}

#[tokio::test]
async fn what_is_kept_comes_again_and_what_is_for_now_does_not() {
    let (client, _) = visitor().await;
    read(&client, "/leave/kept").await;
    read(&client, "/redirects").await;
    read(&client, "/leave/later").await;
    assert_eq!(read(&client, "/show").await, "info:kept info:later");
    assert_eq!(read(&client, "/show").await, "");
}

/// To take messages out saves the session in the middle of a page: that and no more.
#[tokio::test]
async fn a_page_that_fails_has_used_them_up_and_saved_nothing_else() {
    let (client, _) = visitor().await;
    read(&client, "/leave/before").await;
    let response = client.get("/fails").await;
    assert_eq!(
        (response.status().as_u16(), response.text()),
        (500, "info:before info:of a failed page")
    );
    assert_eq!(read(&client, "/get/a").await, "nothing");
    client.get("/leaves-and-fails").await;
    assert_eq!(read(&client, "/show").await, "");
}

#[tokio::test]
async fn what_the_page_has_set_before_it_asks_is_saved_with_the_rest() {
    let more = [page("/asks-between", async |request| {
        request.session.set("a", 1).await?;
        request.session.update("n", |n: &mut u64| *n += 1).await?;
        let flashes = request.session.flashes().await?;
        request.session.set("b", 2).await?;
        request.session.remove("gone").await?;
        Ok(shown(&flashes))
    })];
    let (client, _) = scripted(pages().into_iter().chain(more)).await;
    for key in ["a", "gone", "n"] {
        let path = if key == "n" {
            "/add/n".to_owned()
        } else {
            format!("/set/{key}/0")
        };
        read(&client, &path).await;
    }
    read(&client, "/leave/m").await;
    assert_eq!(read(&client, "/asks-between").await, "info:m");
    for (key, value) in [("a", "1"), ("b", "2"), ("n", "2"), ("gone", "nothing")] {
        assert_eq!(read(&client, &format!("/get/{key}")).await, value, "{key}");
    }
}

#[tokio::test]
async fn a_login_on_the_page_that_asks_goes_through() {
    let more = [page("/login-and-ask", async |request| {
        request.session.login("ada").await?;
        Ok(shown(&request.session.flashes().await?))
    })];
    let (client, _) = scripted(pages().into_iter().chain(more)).await;
    read(&client, "/leave/m").await;
    let old = id(&client);
    assert_eq!(read(&client, "/login-and-ask").await, "info:m");
    assert_ne!(id(&client), old);
    assert_eq!(read(&client, "/user").await, "ada");
    assert_eq!(read(&client, "/show").await, "");
    read(&client, "/leave/for-ada").await;
    read(&client, "/login/bob").await;
    assert_eq!(read(&client, "/show").await, "", "it was not said to bob");
}

#[tokio::test]
async fn what_was_said_to_one_user_is_not_shown_to_another() {
    let more = [page("/switch-and-ask", async |request| {
        request.session.login("ada").await?;
        request.session.flash(Info, "welcome").await?;
        Ok(shown(&request.session.flashes().await?))
    })];
    let (client, _) = scripted(pages().into_iter().chain(more)).await;
    read(&client, "/login/bob").await;
    read(&client, "/leave/for-bob").await;
    assert_eq!(read(&client, "/switch-and-ask").await, "info:welcome");
    assert_eq!(read(&client, "/user").await, "ada");
}

#[tokio::test]
async fn a_logout_may_say_goodbye() {
    let (client, cache) = visitor().await;
    read(&client, "/login/ada").await;
    read(&client, "/leave/secret").await;
    let old = id(&client);
    read(&client, "/logout-and-say").await;
    assert_ne!(id(&client), old);
    assert_eq!(read(&client, "/user").await, "nobody");
    assert_eq!(read(&client, "/show").await, "info:bye");
    assert_eq!(cache.len(), 1);
}

#[tokio::test]
async fn a_session_that_ended_meanwhile_shows_nothing() {
    let (client, cache) = visitor().await;
    read(&client, "/leave/secret").await;
    let tab = with_id(&client, &id(&client));
    let gate = cache.hold(Op::Replace, When::Before);
    let slow = gate
        .beside(tab.get("/show"), read(&client, "/logout"))
        .await;
    assert_eq!((slow.status().as_u16(), slow.text()), (200, ""));
    assert_eq!(slow.set_cookies(), [""; 0]);
    assert_eq!(cache.len(), 0);
}

#[tokio::test]
async fn they_are_no_keys_of_the_site_and_within_its_limits() {
    let more = [page("/keys", async |request| {
        let session = &request.session;
        session.clear().await?;
        let reserved = session.get::<String>("_duck.flashes").await;
        assert!(matches!(reserved, Err(SessionError::ReservedKey(_))));
        Ok(text(format!(
            "{:?} {}",
            session.keys().await?,
            session.len().await?
        )))
    })];
    let settings = settings().with("SESSION_MAX_BYTES", 6000);
    let cache = ScriptedStore::default();
    let client = visit_store(settings, &cache, pages().into_iter().chain(more)).await;
    for number in 0..60 {
        read(&client, &format!("/leave/{number}")).await;
    }
    assert_eq!(read(&client, "/keys").await, "[] 0");
    let expected: Vec<_> = (10..60).map(|number| format!("info:{number}")).collect();
    assert_eq!(
        read(&client, "/show").await,
        expected.join(" "),
        "the last fifty"
    );
    assert_eq!(
        client
            .get(&format!("/leave/{}", "x".repeat(6000)))
            .await
            .status(),
        413
    );
    assert_eq!(read(&client, "/show").await, "");
}

#[tokio::test]
async fn where_the_storage_fails_nothing_is_shown() {
    let (client, cache) = visitor().await;
    read(&client, "/leave/m").await;
    cache.fail(&[Op::Replace]);
    assert_eq!(client.get("/show").await.status(), 503);
    cache.fail(&[]);
    assert_eq!(read(&client, "/show").await, "info:m");
}

#[tokio::test]
async fn once_the_response_has_left_there_are_none_to_take() {
    let late = Arc::new(Mutex::new(None));
    let more = [page_with("/keep", &late, async |request, late| {
        request.session.is_new().await?;
        *late.lock().unwrap() = Some(request.session);
        Ok(text(""))
    })];
    let (client, _) = scripted(pages().into_iter().chain(more)).await;
    read(&client, "/leave/m").await;
    read(&client, "/keep").await;
    let session = late.lock().unwrap().take().unwrap();
    assert!(matches!(
        session.flashes().await,
        Err(SessionError::Committed)
    ));
    assert!(matches!(
        session.flash(Info, "late").await,
        Err(SessionError::Committed)
    ));
    assert_eq!(read(&client, "/show").await, "info:m");
}
