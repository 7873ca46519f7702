//! Ids that are renewed in time: rules 33 to 35.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use duck::{Settings, text};
use duck_session::Clock;

use crate::support::{
    Kind, Op, ScriptedStore, When, id, on_every_storage, over, page, read, settings, visit, with_id,
};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const MOST_OF_AN_HOUR: Duration = Duration::from_secs(59 * 60);
const GRACE: Duration = Duration::from_secs(30);

fn renewing() -> Settings {
    settings().with("SESSION_RENEWAL_INTERVAL", "1 hour")
}

async fn everywhere(settings: &Settings, clock: &Clock) -> Vec<Kind> {
    on_every_storage(settings, clock, Vec::new).await
}

#[tokio::test]
async fn an_id_is_renewed_when_it_is_old_enough_and_the_session_is_asked_for() {
    let clock = Clock::manual();
    for Kind { name, client, .. } in everywhere(&renewing(), &clock).await {
        read(&client, "/login/7").await;
        read(&client, "/set/cart/full").await;
        let first = id(&client);
        clock.advance(MOST_OF_AN_HOUR);
        read(&client, "/get/cart").await;
        assert_eq!(id(&client), first, "{name}: it is not old enough");
        clock.advance(MINUTE);
        read(&client, "/plain").await;
        assert_eq!(id(&client), first, "{name}: nobody asked for it");
        assert_eq!(read(&client, "/get/cart").await, "\"full\"", "{name}");
        let second = id(&client);
        assert_ne!(second, first, "{name}");
        assert_eq!(read(&client, "/user").await, "7", "{name}");
        assert_eq!(id(&client), second, "{name}: once an hour");
        clock.advance(HOUR);
        assert_eq!(read(&client, "/add/n").await, "1", "{name}");
        assert_ne!(id(&client), second, "{name}: with a write");
        assert_eq!(read(&client, "/get/n").await, "1", "{name}");
    }
}

/// A tab that was on its way stays logged in, and gets the new cookie too.
#[tokio::test]
async fn for_a_while_the_old_id_is_good_beside_the_new_one() {
    let clock = Clock::manual();
    for Kind { name, client, .. } in everywhere(&renewing(), &clock).await {
        read(&client, "/login/7").await;
        let old = id(&client);
        clock.advance(HOUR);
        read(&client, "/user").await;
        let new = id(&client);
        read(&client, "/user").await;
        clock.advance(GRACE / 2);
        let tab = with_id(&client, &old);
        assert_eq!(read(&tab, "/user").await, "7", "{name}");
        assert_eq!(id(&tab), new, "{name}: the same id, not a third");
        let tab = with_id(&client, &old);
        assert_eq!(read(&tab, "/add/n").await, "1", "{name}");
        assert_eq!(id(&tab), new, "{name}");
        assert_eq!(read(&client, "/get/n").await, "1", "{name}");

        clock.advance(GRACE / 2);
        for path in ["/user", "/add/n"] {
            let late = with_id(&client, &old);
            let before = read(&client, "/get/n").await;
            let response = late.get(path).await;
            assert_ne!(response.text(), "7", "{name} {path}");
            assert_ne!(id(&late), new, "{name} {path}");
            assert_eq!(read(&client, "/get/n").await, before, "{name} {path}");
        }
        assert_eq!(read(&client, "/user").await, "7", "{name}");
    }
}

/// The response with the new id may be lost: nobody is logged out by that, however late the next request is.
#[tokio::test]
async fn a_renewal_is_pending_until_its_new_id_comes_back() {
    let clock = Clock::manual();
    for Kind { name, client, .. } in everywhere(&renewing(), &clock).await {
        read(&client, "/login/7").await;
        let old = id(&client);
        clock.advance(HOUR);
        let lost = with_id(&client, &old);
        read(&lost, "/user").await;
        let new = id(&lost);
        assert_ne!(new, old, "{name}");
        for hours in [1, 5, 24] {
            clock.advance(hours * HOUR);
            for path in ["/user", "/add/n"] {
                let again = with_id(&client, &old);
                read(&again, path).await;
                assert_eq!(id(&again), new, "{name}: nothing renews again ({path})");
                assert_eq!(read(&again, "/plain").await, "plain");
            }
        }
        // The first request with the new one starts the grace of the old one.
        client.set_cookie("session_id", &new);
        assert_eq!(read(&client, "/user").await, "7", "{name}");
        clock.advance(GRACE / 2);
        assert_eq!(read(&with_id(&client, &old), "/user").await, "7", "{name}");
        clock.advance(GRACE / 2);
        let late = with_id(&client, &old);
        assert_eq!(read(&late, "/user").await, "nobody", "{name}");
        assert_eq!(read(&client, "/user").await, "7", "{name}");
    }
}

/// Nobody is logged in: there is nothing that a stolen id would be worth.
#[tokio::test]
async fn a_session_without_a_user_is_not_renewed_in_time() {
    let clock = Clock::manual();
    for Kind { name, client, .. } in everywhere(&renewing(), &clock).await {
        read(&client, "/set/a/1").await;
        let first = id(&client);
        clock.advance(24 * HOUR);
        read(&client, "/get/a").await;
        read(&client, "/add/n").await;
        assert_eq!(id(&client), first, "{name}");
    }
}

/// Whoever stole the old id has nothing from a login, nor from `cycle_id`: there is no grace.
#[tokio::test]
async fn a_login_leaves_no_grace() {
    let clock = Clock::manual();
    for Kind { name, client, .. } in everywhere(&renewing(), &clock).await {
        for asked in ["/login/7", "/cycle"] {
            read(&client, "/set/a/1").await;
            let old = id(&client);
            read(&client, asked).await;
            let thief = with_id(&client, &old);
            assert_eq!(read(&thief, "/get/a").await, "nothing", "{name} {asked}");
        }
    }
}

#[tokio::test]
async fn a_logout_with_the_old_id_ends_the_session_for_the_new_one() {
    let clock = Clock::manual();
    for Kind { name, client, .. } in everywhere(&renewing(), &clock).await {
        read(&client, "/login/7").await;
        let old = id(&client);
        clock.advance(HOUR);
        read(&client, "/user").await;
        let tab = with_id(&client, &old);
        read(&tab, "/logout").await;
        assert_eq!(read(&client, "/user").await, "nobody", "{name}");
    }
}

/// Both pages of one visitor find that the id is due; one of them renews it.
#[tokio::test]
async fn parallel_requests_renew_once_and_lose_nothing() {
    let clock = Clock::manual();
    for Kind { name, client, .. } in everywhere(&renewing(), &clock).await {
        read(&client, "/login/7").await;
        clock.advance(HOUR);
        let old = id(&client);
        let tabs: Vec<_> = (0..20).map(|_| with_id(&client, &old)).collect();
        let pages = tabs.iter().map(|tab| read(tab, "/add/n"));
        futures_util::future::join_all(pages).await;
        let ids: std::collections::HashSet<_> = tabs.iter().map(id).collect();
        assert_eq!(ids.len(), 1, "{name}: all hold the same new id");
        assert!(!ids.contains(&old), "{name}");
        assert_eq!(read(&tabs[0], "/get/n").await, "20", "{name}");
    }
}

/// Of pages that only read, those that did not renew it go on with the old id, which is good.
#[tokio::test]
async fn parallel_readers_renew_once_and_are_all_served() {
    let clock = Clock::manual();
    for Kind { name, client, .. } in everywhere(&renewing(), &clock).await {
        read(&client, "/login/7").await;
        clock.advance(HOUR);
        let old = id(&client);
        let tabs: Vec<_> = (0..20).map(|_| with_id(&client, &old)).collect();
        let pages = tabs.iter().map(|tab| read(tab, "/user"));
        let users = futures_util::future::join_all(pages).await;
        assert!(users.iter().all(|user| user == "7"), "{name}: {users:?}");
        let mut ids: std::collections::HashSet<_> = tabs.iter().map(id).collect();
        ids.remove(&old);
        assert_eq!(ids.len(), 1, "{name}: one new id");
        for tab in &tabs {
            assert_eq!(read(tab, "/user").await, "7", "{name}");
            assert!(ids.contains(&id(tab)), "{name}");
        }
    }
}

/// A page that read the session before its id was renewed still saves.
#[tokio::test]
async fn a_slow_write_is_kept_over_a_renewal() {
    let clock = Clock::manual();
    let cache = ScriptedStore::default();
    let client = visit(
        renewing().with("SESSION_STORAGE", "TestStore"),
        over(&cache).clock(clock.clone()),
        [],
    )
    .await;
    read(&client, "/login/7").await;
    clock.advance(MOST_OF_AN_HOUR);
    let slow = with_id(&client, &id(&client));
    let gate = cache.hold(Op::Replace, When::Before);
    gate.beside(read(&slow, "/set/slow/1"), async {
        clock.advance(MINUTE);
        read(&client, "/user").await;
    })
    .await;
    assert_eq!(read(&client, "/get/slow").await, "\"1\"");
    assert_eq!(id(&slow), id(&client), "its response tells the new id");
}

#[tokio::test]
async fn a_renewal_that_fails_costs_nothing() {
    let clock = Clock::manual();
    let cache = ScriptedStore::default();
    let client = visit(
        renewing().with("SESSION_STORAGE", "TestStore"),
        over(&cache).clock(clock.clone()),
        [],
    )
    .await;
    read(&client, "/login/7").await;
    let before = id(&client);
    clock.advance(HOUR);
    cache.fail(&[Op::Replace]);
    assert_eq!(
        read(&client, "/user").await,
        "7",
        "the page does not need it"
    );
    assert_eq!(id(&client), before);
    cache.fail(&[]);
    assert_eq!(read(&client, "/user").await, "7");
    assert_ne!(id(&client), before);
}

/// The new id is nowhere in the storage, though it can be sent again to whoever comes with the old one.
#[tokio::test]
async fn the_storage_does_not_tell_the_new_id() {
    let clock = Clock::manual();
    let cache = ScriptedStore::default();
    let client = visit(
        renewing()
            .with("SESSION_STORAGE", "TestStore")
            .with("SESSION_ENCRYPT", false),
        over(&cache).clock(clock.clone()),
        [],
    )
    .await;
    read(&client, "/login/7").await;
    let old = id(&client);
    clock.advance(HOUR);
    read(&client, "/user").await;
    let new = id(&client);
    assert_ne!(new, old);
    let session = cache.only();
    for id in [old, new] {
        let raw = BASE64URL_NOPAD.decode(id.as_bytes()).unwrap();
        for part in [id.as_bytes(), &raw[..16], &raw[16..]] {
            let mut stored = session.bytes().windows(part.len());
            assert!(!stored.any(|bytes| bytes == part));
        }
    }
}

/// The limit on a session's whole life is not moved by its renewals.
#[tokio::test]
async fn renewals_do_not_move_the_absolute_limit() {
    let clock = Clock::manual();
    let limited = renewing().with("SESSION_ABSOLUTE_TIMEOUT", "3 hours");
    for Kind { name, client, .. } in everywhere(&limited, &clock).await {
        read(&client, "/login/7").await;
        for _ in 0..2 {
            clock.advance(HOUR);
            assert_eq!(read(&client, "/user").await, "7", "{name}");
        }
        clock.advance(HOUR);
        assert_eq!(read(&client, "/user").await, "nobody", "{name}");
    }
}

#[tokio::test]
async fn a_page_in_grace_is_not_for_shared_caches() {
    let clock = Clock::manual();
    let more = || {
        vec![page("/public", async |request| {
            request.session.get::<u8>("a").await?;
            Ok(text("").with_header("cache-control", "public, max-age=60")?)
        })]
    };
    for Kind { name, client, .. } in on_every_storage(&renewing(), &clock, more).await {
        read(&client, "/login/7").await;
        let old = id(&client);
        clock.advance(HOUR);
        read(&client, "/user").await;
        let tab = with_id(&client, &old);
        let response = tab.get("/public").await;
        assert_eq!(response.set_cookies().len(), 1, "{name}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{name}");
    }
}

/// However soon the next renewal is due when the new id first comes back: after a lunch break, say.
#[tokio::test]
async fn a_grace_that_has_begun_lasts() {
    let clock = Clock::manual();
    for Kind { name, client, .. } in everywhere(&renewing(), &clock).await {
        read(&client, "/login/7").await;
        let old = id(&client);
        clock.advance(HOUR);
        read(&client, "/user").await;
        let new = id(&client);
        clock.advance(2 * HOUR);
        for path in ["/user", "/add/n", "/user"] {
            read(&client, path).await;
            assert_eq!(id(&client), new, "{name}: nothing renews in the grace");
        }
        clock.advance(GRACE / 2);
        assert_eq!(read(&with_id(&client, &old), "/user").await, "7", "{name}");
        clock.advance(GRACE / 2);
        assert_eq!(read(&client, "/user").await, "7", "{name}");
        assert_ne!(id(&client), new, "{name}: then the next renewal is due");
    }
}
