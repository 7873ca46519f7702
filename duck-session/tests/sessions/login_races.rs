//! A login beside other requests of its visitor: it always works at once, and nothing that was under way
//! takes part in the new session. Rules 28, 32, 34 and 35.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use duck::testing::TestClient;
use duck::{Settings, UrlPattern, text};
use duck_session::Clock;

use crate::support::{
    Kind, Op, ScriptedStore, When, id, on_every_storage, over, page, read, scripted, settings,
    visit, with_id,
};

/// The half of a visitor's id that finds the session.
fn selector(client: &TestClient) -> Vec<u8> {
    let mut id = BASE64URL_NOPAD.decode(id(client).as_bytes()).unwrap();
    id.truncate(16);
    id
}

/// The id of this visitor's session with another second half.
fn forged(client: &TestClient) -> String {
    let id = [&selector(client)[..], &[7; 16]].concat();
    BASE64URL_NOPAD.encode(&id)
}

async fn on_a_clock(
    settings: Settings,
    more: impl IntoIterator<Item = UrlPattern>,
) -> (TestClient, ScriptedStore, Clock) {
    let (store, clock) = (ScriptedStore::default(), Clock::manual());
    let settings = settings.with("SESSION_STORAGE", "TestStore");
    let client = visit(settings, over(&store).clock(clock.clone()), more).await;
    (client, store, clock)
}

/// Both clicks come with the id of the anonymous session, and the browser keeps the cookie of either answer.
#[tokio::test]
async fn a_double_click_on_log_in_works_whichever_answer_comes_last() {
    for at in [(Op::Load, When::After), (Op::Replace, When::Before)] {
        let (client, store) = scripted([]).await;
        read(&client, "/set/cart/full").await;
        let (first, second) = (
            with_id(&client, &id(&client)),
            with_id(&client, &id(&client)),
        );
        let gate = store.hold(at.0, at.1);
        gate.beside(read(&first, "/login/7"), read(&second, "/login/7"))
            .await;
        assert_eq!(read(&second, "/user").await, "7", "{at:?}");
        assert_eq!(read(&second, "/get/cart").await, "\"full\"", "{at:?}");
        assert_eq!(read(&first, "/user").await, "7", "{at:?}");
        assert_eq!(read(&first, "/add/n").await, "1", "{at:?}");
        assert_ne!(selector(&first), selector(&second), "{at:?}");
        // It holds what its own request set, and nothing of a session that it did not prove to be its own.
        assert_eq!(read(&first, "/get/cart").await, "nothing", "{at:?}");
    }
}

#[tokio::test]
async fn a_login_whose_answer_was_lost_is_made_again_at_once_or_later() {
    for later in [Duration::ZERO, Duration::from_secs(60)] {
        let clock = Clock::manual();
        for Kind { name, client, .. } in on_every_storage(&settings(), &clock, Vec::new).await {
            read(&client, "/set/cart/full").await;
            let lost = with_id(&client, &id(&client));
            read(&lost, "/login/7").await;
            clock.advance(later);
            assert_eq!(read(&client, "/user").await, "nobody", "{name}");
            read(&client, "/login/7").await;
            assert_eq!(read(&client, "/user").await, "7", "{name}");
            assert_eq!(read(&client, "/add/n").await, "1", "{name}");
            assert_eq!(read(&lost, "/user").await, "7", "{name}: it is another one");
        }
    }
}

#[tokio::test]
async fn a_login_during_a_logout_or_a_new_id_begins_a_session_of_its_own() {
    for (fast, ends) in [("/logout", true), ("/cycle", false), ("/login/8", false)] {
        let (client, store) = scripted([]).await;
        read(&client, "/login/7").await;
        let old = id(&client);
        let slow = with_id(&client, &old);
        let gate = store.hold(Op::Replace, When::Before);
        gate.beside(read(&slow, "/login/9"), read(&client, fast))
            .await;
        assert_eq!(read(&slow, "/user").await, "9", "{fast}");
        assert_eq!(read(&with_id(&client, &old), "/user").await, "nobody");
        assert_eq!(store.len(), if ends { 1 } else { 2 }, "{fast}");
    }
}

/// An answer with an anonymous cookie would take the place of the cookie that the login has sent.
#[tokio::test]
async fn what_was_under_way_during_a_login_is_dropped_without_a_cookie() {
    let more = || {
        [page("/write", async |request| {
            let session = request.session;
            session.set("late", 1).await?;
            session.save().await?;
            session.update("late", |n: &mut u8| *n += 1).await?;
            session.flash(duck::session::FlashLevel::Info, "hi").await?;
            session.cycle_id().await?;
            session.set_modified(true);
            Ok(text("written"))
        })]
    };
    for asked in ["/login/7", "/cycle"] {
        for is_loaded in [true, false] {
            let (client, store, clock) = on_a_clock(settings(), more()).await;
            read(&client, "/set/a/1").await;
            let tab = with_id(&client, &id(&client));
            let answer = if is_loaded {
                let gate = store.hold(Op::Load, When::After);
                gate.beside(tab.get("/write"), read(&client, asked)).await
            } else {
                read(&client, asked).await;
                clock.advance(Duration::from_millis(9_999));
                tab.get("/write").await
            };
            assert_eq!((answer.status().as_u16(), answer.text()), (200, "written"));
            assert_eq!(answer.set_cookies(), [""; 0], "{asked} {is_loaded}");
            assert_eq!(store.len(), 1, "{asked} {is_loaded}");
            assert_eq!(read(&client, "/get/late").await, "nothing", "{asked}");
        }
    }
}

/// Ten seconds later nobody is under way any more, and a visitor with an old cookie is one like any other.
#[tokio::test]
async fn an_id_that_a_login_replaced_is_unknown_ten_seconds_later() {
    let (client, store, clock) = on_a_clock(settings(), []).await;
    read(&client, "/set/a/1").await;
    let tab = with_id(&client, &id(&client));
    read(&client, "/login/7").await;
    clock.advance(Duration::from_secs(10));
    read(&tab, "/set/a/2").await;
    assert_ne!(selector(&tab), selector(&client));
    assert_eq!(read(&tab, "/get/a").await, "\"2\"");
    assert_eq!(read(&client, "/get/a").await, "\"1\"");
    assert_eq!(store.len(), 2);
}

/// Whoever knows where a session is, and not its verifier, is nobody: at once, and for good.
#[tokio::test]
async fn a_wrong_verifier_reads_and_changes_nothing_of_the_session() {
    let clock = Clock::manual();
    let strict = settings().with("SESSION_ON_REPLAY", "end");
    for Kind { name, client, .. } in on_every_storage(&strict, &clock, Vec::new).await {
        read(&client, "/login/7").await;
        read(&client, "/set/a/1").await;
        let own = id(&client);
        for path in ["/user", "/get/a", "/clear", "/cycle", "/logout"] {
            let thief = with_id(&client, &forged(&client));
            assert_ne!(read(&thief, path).await, "7", "{name}");
        }
        for path in ["/set/a/2", "/login/8", "/add/n"] {
            let thief = with_id(&client, &forged(&client));
            read(&thief, path).await;
            assert_ne!(selector(&thief), selector(&client), "{name} {path}");
        }
        assert_eq!(read(&client, "/user").await, "7", "{name}");
        assert_eq!(read(&client, "/get/a").await, "\"1\"", "{name}");
        assert_eq!(read(&client, "/get/n").await, "nothing", "{name}");
        assert_eq!(id(&client), own, "{name}");
    }
}

/// Whoever planted the cookie would else be served as the victim for as long as the grace lasts.
#[tokio::test]
async fn a_login_clears_the_grace_of_a_renewal() {
    let renewing = settings().with("SESSION_RENEWAL_INTERVAL", "1 hour");
    for asked in ["/login/8", "/login/7", "/cycle"] {
        for is_pending in [true, false] {
            let (client, store, clock) = on_a_clock(renewing.clone(), []).await;
            read(&client, "/login/7").await;
            let planted = id(&client);
            clock.advance(Duration::from_secs(3600));
            read(&client, "/user").await;
            if !is_pending {
                read(&client, "/user").await;
            }
            assert_eq!(read(&with_id(&client, &planted), "/user").await, "7");
            read(&client, asked).await;
            let before = store.versions();
            let thief = with_id(&client, &planted);
            assert_eq!(read(&thief, "/user").await, "nobody", "{asked}");
            assert_eq!(id(&thief), planted, "{asked}: no cookie is sent");
            assert_eq!(store.versions(), before, "{asked}");
        }
    }
}
