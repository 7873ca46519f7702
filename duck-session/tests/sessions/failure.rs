//! A storage that fails or does not answer: rules 54 to 58.

use duck::testing::TestResponse;
use duck::text;
use tokio::time::{Duration, Instant};

use crate::log::Log;
use crate::support::{
    Misreport, Op, SECRET_PATH, ScriptedStore, id, page, read, scripted, settings, visit_store,
};

const ALL: [Op; 5] = [Op::Load, Op::List, Op::Create, Op::Replace, Op::Remove];

/// After so long a storage that kept failing is asked again: rule 57.
const LEFT_ALONE: Duration = Duration::from_secs(10);

fn is_503(response: &TestResponse) {
    assert_eq!(response.status(), 503);
    assert!(response.header("retry-after").is_some());
    assert_eq!(response.set_cookies(), [""; 0]);
    assert_eq!(response.header("vary"), Some("Cookie"));
    assert!(
        !response.text().contains(SECRET_PATH),
        "{}",
        response.text()
    );
}

#[tokio::test]
async fn an_open_site_serves_an_empty_session_that_cannot_be_written() {
    let more = [page("/tries", async |request| {
        assert!(request.session.is_empty().await?);
        assert!(request.session.set("a", 1).await.is_err());
        assert!(request.session.login("7").await.is_err());
        assert!(request.session.logout().await.is_err());
        assert!(request.session.cycle_id().await.is_err());
        request.session.set_modified(true);
        Ok(text("tried"))
    })];
    let cache = ScriptedStore::default();
    let client = visit_store(
        settings().with("SESSION_ON_STORE_ERROR", "open"),
        &cache,
        more,
    )
    .await;
    read(&client, "/set/a/1").await;
    cache.fail(&[Op::Load]);
    assert_eq!(read(&client, "/get/a").await, "nothing");
    is_503(&client.get("/set/a/2").await);
    is_503(&client.get("/logout").await);
    let response = client.get("/tries").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.set_cookies(), [""; 0]);
    assert_eq!(
        cache.len(),
        1,
        "a visitor with a cookie got a second session"
    );
    cache.fail(&[]);
    assert_eq!(read(&client, "/get/a").await, "\"1\"");
}

/// A broken storage must not fill the disk with lines.
#[tokio::test(start_paused = true)]
async fn a_thousand_failures_are_a_handful_of_lines_and_the_first_has_the_whole_cause() {
    let cache = ScriptedStore::default();
    let open = settings().with("SESSION_ON_STORE_ERROR", "open");
    let client = visit_store(open, &cache, []).await;
    read(&client, "/set/a/1").await;
    cache.fail(&ALL);
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    for _ in 0..1000 {
        assert_eq!(read(&client, "/get/a").await, "nothing");
    }
    tokio::time::sleep(LEFT_ALONE).await;
    let heard = log.entries("duck_session ");
    let first = heard.split("serving an empty session").nth(1).unwrap();
    assert!(first.contains(SECRET_PATH), "{first}");
    let lines = heard.matches("serving an empty session").count();
    assert!(lines < 15, "{heard}");
    assert!(heard.contains("more=990 "), "{heard}");
}

/// Nor must a client that sends what it should not, over and over.
#[tokio::test(start_paused = true)]
async fn a_thousand_cookies_of_two_sessions_are_a_handful_of_lines() {
    let (client, _) = scripted([]).await;
    let ids = [client.another(), client.another()];
    for visitor in &ids {
        read(visitor, "/set/a/1").await;
    }
    let cookie = ids.map(|visitor| format!("session_id={}", id(&visitor)));
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    for _ in 0..1000 {
        let visitor = client.another();
        let asked = visitor.get("/get/a");
        asked.header("cookie", &cookie.join("; ")).await;
    }
    tokio::time::sleep(LEFT_ALONE).await;
    let heard = log.entries("duck_session ");
    assert_eq!(heard.matches("duplicate_cookie").count(), 10, "{heard}");
    assert!(heard.contains("more=990 "), "{heard}");
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_session_cannot_be_read_is_a_503_and_the_others_are_served() {
    let (client, cache) = scripted([]).await;
    read(&client, "/set/a/1").await;
    let before = id(&client);
    cache.fail(&ALL);
    for path in ["/get/a", "/set/a/2", "/login/7", "/logout", "/cycle"] {
        is_503(&client.get(path).await);
    }
    assert_eq!(read(&client, "/plain").await, "plain");
    cache.fail(&[]);
    tokio::time::sleep(LEFT_ALONE).await;
    assert_eq!(read(&client, "/get/a").await, "\"1\"");
    assert_eq!(id(&client), before);
}

#[tokio::test]
async fn an_error_page_of_any_kind_tells_nothing_of_the_storage() {
    let (client, cache) = scripted([]).await;
    read(&client, "/set/a/1").await;
    let key = cache.only().key().to_hex();
    cache.fail(&ALL);
    for accept in ["text/html", "application/json", "*/*", "image/png"] {
        let response = client.get("/get/a").header("accept", accept).await;
        let seen = format!("{:?} {}", response.headers(), response.text());
        for secret in [SECRET_PATH, "broken", &key, &id(&client)] {
            assert!(!seen.contains(secret), "{accept}: {seen}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_hangs_is_waited_for_two_seconds() {
    let (client, cache) = scripted([]).await;
    read(&client, "/login/7").await;
    for op in [Op::Load, Op::Replace] {
        for path in ["/set/a/1", "/add/n"] {
            cache.hang(&[op]);
            let start = Instant::now();
            is_503(&client.get(path).await);
            assert_eq!(start.elapsed().as_secs(), 2, "{op:?} {path}");
            assert_eq!(read(&client, "/plain").await, "plain");
            cache.hang(&[]);
            assert_eq!(read(&client, "/user").await, "7", "it recovers");
            assert_eq!(read(&client, "/get/a").await, "nothing");
        }
    }
}

#[tokio::test]
async fn a_failed_save_is_a_503_with_nothing_of_the_page_in_it() {
    let more = [page("/welcome", async |request| {
        request
            .session
            .update("orders", |n: &mut u8| *n += 1)
            .await?;
        let page = text("Your order is placed.").with_header("x-order", "17")?;
        Ok(page.with_cookie(("theme", "dark"))?)
    })];
    let (client, cache) = scripted(more).await;
    for (op, before) in [(Op::Create, "nothing"), (Op::Replace, "1")] {
        cache.fail(&[op]);
        let response = client.get("/welcome").await;
        is_503(&response);
        assert!(!response.text().contains("order"));
        assert_eq!(response.header("x-order"), None);
        cache.fail(&[]);
        assert_eq!(read(&client, "/get/orders").await, before);
        assert_eq!(read(&client, "/welcome").await, "Your order is placed.");
    }
}

/// Who is told that they are logged out walks away from the machine.
#[tokio::test(start_paused = true)]
async fn a_failed_logout_is_never_reported_as_a_success() {
    for ops in [[Op::Remove], [Op::Load]] {
        let (client, cache) = scripted([]).await;
        read(&client, "/login/7").await;
        cache.fail(&ops);
        let response = client.get("/logout").await;
        is_503(&response);
        assert!(!response.text().contains("out"), "{ops:?}");
        assert!(client.cookie("session_id").is_some());
        cache.fail(&[]);
        assert_eq!(read(&client, "/logout").await, "out");
        assert_eq!(read(&client, "/user").await, "nobody");
        assert_eq!(cache.len(), 0);
    }
}

/// A driver that sends a write twice says that the second one was too late; and an answer may be lost.
#[tokio::test]
async fn a_write_that_was_made_counts_once_whatever_the_driver_says_of_it() {
    for what in [Misreport::Refused, Misreport::Failed] {
        let (client, store) = scripted([]).await;
        assert_eq!(read(&client, "/add/n").await, "1");
        store.misreport(what);
        assert_eq!(read(&client, "/add/n").await, "2", "{what:?}");
        assert_eq!(read(&client, "/get/n").await, "2", "{what:?}");
        store.misreport(what);
        read(&client, "/login/7").await;
        assert_eq!(read(&client, "/user").await, "7", "{what:?}");
        assert_eq!(store.len(), 1, "{what:?}");
    }
    // A session that begins so is not begun twice: the first one would stay on its user's list.
    let (client, store) = scripted([]).await;
    store.misreport(Misreport::Refused);
    read(&client, "/login/7").await;
    assert_eq!(read(&client, "/user").await, "7");
    assert_eq!(store.len(), 1);
}

/// A cache that panics is a failed page, not a dead site.
#[tokio::test]
async fn a_cache_that_panics_costs_one_page() {
    let (client, cache) = scripted([]).await;
    read(&client, "/set/a/1").await;
    for op in [Op::Load, Op::Replace] {
        cache.panic(&[op]);
        let response = client.get("/set/a/2").await;
        assert!(response.status().is_server_error(), "{op:?}");
        assert_eq!(response.set_cookies(), [""; 0], "{op:?}");
        cache.panic(&[]);
        read(&client, "/get/a").await;
    }
}

/// Bots that have filled it are no outage for those who are known.
#[tokio::test]
async fn a_full_storage_fails_those_who_begin_a_session_and_nobody_else() {
    let (client, store) = scripted([]).await;
    read(&client, "/set/a/1").await;
    store.fill();
    for _ in 0..20 {
        let bot = client.another();
        is_503(&bot.get("/set/a/1").await);
        assert_eq!(read(&bot, "/get/a").await, "nothing");
    }
    assert_eq!(read(&client, "/get/a").await, "\"1\"");
    assert_eq!(read(&client, "/add/n").await, "1");
    assert_eq!(read(&client, "/login/7").await, "in");
    assert_eq!(read(&client, "/user").await, "7");
    assert_eq!(read(&client, "/logout").await, "out");
    assert_eq!(store.len(), 0);
}

/// Nobody waits for a storage that keeps failing; one request after the other tries again.
#[tokio::test(start_paused = true)]
async fn a_storage_that_keeps_failing_is_left_alone_and_comes_back_by_itself() {
    let (client, cache) = scripted([]).await;
    read(&client, "/set/a/1").await;
    cache.hang(&[Op::Load]);
    for _ in 0..5 {
        is_503(&client.get("/get/a").await);
    }
    cache.calls();
    let start = Instant::now();
    for _ in 0..100 {
        is_503(&client.get("/get/a").await);
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "nobody waits");
    assert_eq!(cache.calls(), [], "nobody asks");
    tokio::time::sleep(Duration::from_secs(1)).await;
    is_503(&client.get("/get/a").await);
    assert_eq!(cache.calls(), [Op::Load], "one tries");
    cache.hang(&[]);
    tokio::time::sleep(LEFT_ALONE).await;
    assert_eq!(read(&client, "/get/a").await, "\"1\"");
    assert_eq!(read(&client, "/add/n").await, "1");
}

#[tokio::test]
async fn a_storage_that_refuses_every_new_session_is_not_asked_for_ever() {
    let (client, store) = scripted([]).await;
    store.refuse_creating(usize::MAX);
    is_503(&client.get("/set/a/1").await);
    assert!(store.calls().len() < 100);
}
