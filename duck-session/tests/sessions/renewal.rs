//! Ids that are renewed in time: rules 33 to 35.

use std::time::Duration;

use duck::{Settings, text};
use duck_session::Clock;

use crate::support::{
    Kind, Op, ScriptedCache, When, id, on_every_storage, over, page, read, settings, visit, with_id,
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
async fn for_a_while_the_old_id_leads_to_the_new_one() {
    let clock = Clock::manual();
    for Kind { name, client, .. } in everywhere(&renewing(), &clock).await {
        read(&client, "/login/7").await;
        let old = id(&client);
        clock.advance(HOUR);
        read(&client, "/user").await;
        let new = id(&client);
        let tab = with_id(&client, &old);
        clock.advance(GRACE / 2);
        assert_eq!(read(&tab, "/user").await, "7", "{name}");
        assert_eq!(id(&tab), new, "{name}: the same id, not a third");
        let tab = with_id(&client, &old);
        assert_eq!(read(&tab, "/add/n").await, "1", "{name}");
        assert_eq!(id(&tab), new, "{name}");
        assert_eq!(read(&client, "/get/n").await, "1", "{name}");

        clock.advance(GRACE);
        let late = with_id(&client, &old);
        let response = late.get("/user").await;
        assert_eq!(response.text(), "nobody", "{name}");
        assert_eq!(response.set_cookies(), [""; 0], "{name}: no removal");
        assert_eq!(read(&client, "/user").await, "7", "{name}");
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
async fn a_logout_with_the_old_id_ends_the_session_under_its_new_one() {
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

/// A page that read the session before it moved still saves, into the session where it is now.
#[tokio::test]
async fn a_slow_write_follows_the_session_to_its_new_id() {
    let clock = Clock::manual();
    let cache = ScriptedCache::default();
    let client = visit(
        renewing().with("SESSION_STORAGE", "TestCache"),
        over(&cache).clock(clock.clone()),
        [],
    )
    .await;
    read(&client, "/login/7").await;
    clock.advance(MOST_OF_AN_HOUR);
    let slow = with_id(&client, &id(&client));
    let gate = cache.hold(Op::Swap, When::Before);
    tokio::join!(read(&slow, "/set/slow/1"), async {
        gate.reached().await;
        clock.advance(MINUTE);
        read(&client, "/user").await;
        gate.open();
    });
    assert_eq!(read(&client, "/get/slow").await, "\"1\"");
    assert_eq!(id(&slow), id(&client), "its response tells the new id");
}

#[tokio::test]
async fn a_renewal_that_fails_costs_nothing() {
    let clock = Clock::manual();
    let cache = ScriptedCache::default();
    let client = visit(
        renewing().with("SESSION_STORAGE", "TestCache"),
        over(&cache).clock(clock.clone()),
        [],
    )
    .await;
    read(&client, "/login/7").await;
    let before = id(&client);
    clock.advance(HOUR);
    cache.fail(&[Op::Swap]);
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

/// The new id is nowhere in the storage, not even in what the old one leaves.
#[tokio::test]
async fn the_storage_does_not_tell_the_new_id() {
    let clock = Clock::manual();
    let cache = ScriptedCache::default();
    let client = visit(
        renewing()
            .with("SESSION_STORAGE", "TestCache")
            .with("SESSION_ENCRYPT", false),
        over(&cache).clock(clock.clone()),
        [],
    )
    .await;
    read(&client, "/set/a/1").await;
    clock.advance(HOUR);
    read(&client, "/get/a").await;
    let new = id(&client);
    assert_eq!(cache.len(), 2, "the session and what its old id left");
    for record in cache.entries().values() {
        assert!(!record.windows(43).any(|bytes| bytes == new.as_bytes()));
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
        read(&client, "/set/a/1").await;
        let old = id(&client);
        clock.advance(HOUR);
        read(&client, "/get/a").await;
        let tab = with_id(&client, &old);
        let response = tab.get("/public").await;
        assert_eq!(response.set_cookies().len(), 1, "{name}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{name}");
    }
}

#[test]
fn an_interval_shorter_than_the_grace_is_refused() {
    let settings = settings()
        .with("SESSION_RENEWAL_INTERVAL", 20)
        .with("SESSION_RENEWAL_GRACE", 30);
    let error = duck_session::SessionSettings::from_settings(&settings).unwrap_err();
    assert!(
        error.to_string().contains("SESSION_RENEWAL_INTERVAL"),
        "{error}"
    );
}
