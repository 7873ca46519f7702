//! Idle and absolute timeouts, and visits that move the end of a session.

use std::time::{Duration, SystemTime};

use duck::testing::TestClient;
use duck::{App, Request, Result, Settings, path, text};
use duck_session::{Clock, SessionMiddleware};

use crate::support::{
    Gate, Kind, Op, ScriptedStore, on_every_storage, over, page_with, read, settings, urls,
};

const MINUTE: Duration = Duration::from_secs(60);

async fn visitor(settings: Settings) -> (TestClient, Clock) {
    let clock = Clock::manual();
    let sessions = SessionMiddleware::new().clock(clock.clone());
    let expire_in = async |request: Request, seconds: u64| -> Result<&'static str> {
        request
            .session
            .set_expiry(Duration::from_secs(seconds))
            .await?;
        Ok("")
    };
    let urls = urls()
        .into_iter()
        .chain([path("/expire-in/<seconds>", expire_in)]);
    (
        TestClient::start(App::new(settings).with(sessions).urls(urls)).await,
        clock,
    )
}

async fn reads(site: &TestClient) -> String {
    site.get("/get/key").await.text().to_owned()
}

#[tokio::test]
async fn without_a_visit_a_session_ends_and_with_visits_it_lives_on() {
    let (site, clock) = visitor(settings().with("SESSION_IDLE_TIMEOUT", 600)).await;
    site.get("/set/key/1").await;
    let value = reads(&site).await;
    for _ in 0..20 {
        clock.advance(9 * MINUTE);
        assert_eq!(reads(&site).await, value, "a visit every nine minutes");
    }
    clock.advance(10 * MINUTE);
    assert_ne!(reads(&site).await, value, "ten minutes without one");
}

#[tokio::test]
async fn a_page_that_asks_for_no_session_is_no_visit() {
    let (site, clock) = visitor(settings().with("SESSION_IDLE_TIMEOUT", 600)).await;
    site.get("/set/key/1").await;
    let value = reads(&site).await;
    clock.advance(9 * MINUTE);
    assert_eq!(site.get("/plain").await.set_cookies().len(), 0);
    clock.advance(MINUTE);
    assert_ne!(reads(&site).await, value);
}

#[tokio::test]
async fn a_visit_moves_the_cookie_with_the_record_and_not_at_every_request() {
    let (site, clock) = visitor(settings().with("SESSION_IDLE_TIMEOUT", 600)).await;
    let first = site.get("/set/key/1").await;
    assert!(
        first.set_cookies()[0].contains("Max-Age=600;"),
        "{:?}",
        first.set_cookies()
    );
    clock.advance(Duration::from_secs(59));
    assert!(
        site.get("/get/key").await.set_cookies().is_empty(),
        "not due yet"
    );
    clock.advance(Duration::from_secs(1));
    let later = site.get("/get/key").await;
    assert!(
        later.set_cookies()[0].contains("Max-Age=600;"),
        "{:?}",
        later.set_cookies()
    );
}

#[tokio::test]
async fn no_visit_moves_the_absolute_end_and_a_login_does() {
    let limits = settings()
        .with("SESSION_IDLE_TIMEOUT", 600)
        .with("SESSION_ABSOLUTE_TIMEOUT", 1800);
    let (site, clock) = visitor(limits).await;
    site.get("/set/key/1").await;
    let value = reads(&site).await;
    for _ in 0..5 {
        clock.advance(5 * MINUTE);
        assert_eq!(reads(&site).await, value);
        site.get("/cycle").await; // a new id is no new session
    }
    site.get("/login/ada").await;
    clock.advance(9 * MINUTE);
    assert_eq!(
        reads(&site).await,
        value,
        "the clock began again with the login"
    );
    for _ in 0..4 {
        clock.advance(5 * MINUTE);
        site.get("/set/other/2").await;
    }
    clock.advance(MINUTE);
    assert_ne!(reads(&site).await, value, "half an hour after the login");
}

#[tokio::test]
async fn a_limit_holds_for_sessions_from_before_it_was_set() {
    let cache = ScriptedStore::default();
    let clock = Clock::manual();
    let site = async |settings: Settings| {
        let sessions = over(&cache).clock(clock.clone());
        let app = App::new(settings.with("SESSION_STORAGE", "TestStore")).with(sessions);
        TestClient::start(app.urls(urls())).await
    };
    let before = site(settings()).await;
    before.get("/set/key/1").await;
    let value = reads(&before).await;
    clock.advance(15 * MINUTE);
    let after = site(settings().with("SESSION_IDLE_TIMEOUT", 600)).await;
    after.set_cookie("session_id", &before.cookie("session_id").unwrap());
    assert_ne!(reads(&after).await, value);
}

#[tokio::test]
async fn every_request_counts_as_a_save_where_the_site_wants_it() {
    let wanted = settings()
        .with("SESSION_SAVE_EVERY_REQUEST", true)
        .with("SESSION_COOKIE_AGE", 600);
    let (site, clock) = visitor(wanted).await;
    site.get("/set/key/1").await;
    let value = reads(&site).await;
    for _ in 0..5 {
        clock.advance(9 * MINUTE);
        let page = site.get("/get/key").await;
        assert_eq!(page.text(), value);
        assert_eq!(page.set_cookies().len(), 1);
    }
}

#[tokio::test]
async fn a_visit_reverts_nothing_and_a_storage_that_cannot_write_ends_nothing() {
    let cache = ScriptedStore::default();
    let clock = Clock::manual();
    let settings = settings()
        .with("SESSION_IDLE_TIMEOUT", 600)
        .with("SESSION_STORAGE", "TestStore");
    let app = App::new(settings)
        .with(over(&cache).clock(clock.clone()))
        .urls(urls());
    let site = TestClient::start(app).await;
    site.get("/set/key/1").await;
    let value = reads(&site).await;
    clock.advance(2 * MINUTE);
    cache.fail(&[Op::Replace]);
    let page = site.get("/get/key").await;
    assert_eq!(
        (page.status().as_u16(), page.text()),
        (200, &*value),
        "reading goes on"
    );
    assert!(
        page.set_cookies().is_empty(),
        "and the cookie says no more than the record"
    );
    cache.fail(&[]);
    clock.advance(2 * MINUTE);
    assert_eq!(site.get("/get/key").await.set_cookies().len(), 1);
}

#[tokio::test]
async fn a_clock_that_steps_back_makes_no_session_last_longer() {
    let (site, clock) = visitor(settings().with("SESSION_ABSOLUTE_TIMEOUT", 1800)).await;
    site.get("/set/key/1").await;
    let value = reads(&site).await;
    clock.step_back(Duration::from_secs(600));
    site.get("/set/other/2").await;
    clock.advance(Duration::from_secs(600) + 30 * MINUTE);
    assert_ne!(reads(&site).await, value);
}

#[tokio::test]
async fn a_short_session_of_its_own_slides_with_every_tenth_of_its_age() {
    let (site, clock) = visitor(settings()).await;
    site.get("/set/key/1").await;
    let value = reads(&site).await;
    site.get("/expire-in/30").await;
    for write in 0..9 {
        clock.advance(Duration::from_secs(10));
        site.get(&format!("/set/other/{write}")).await;
        assert_eq!(reads(&site).await, value, "write {write}");
    }
    clock.advance(Duration::from_secs(30));
    assert_ne!(reads(&site).await, value);
}

/// A clock that was wrong for a while is set right; whoever was told that a session is over stays out.
#[tokio::test]
async fn what_was_seen_expired_does_not_come_back_with_the_clock() {
    let clock = Clock::manual();
    let limits = [
        ("SESSION_COOKIE_AGE", 600),
        ("SESSION_IDLE_TIMEOUT", 600),
        ("SESSION_ABSOLUTE_TIMEOUT", 600),
    ];
    for (limit, seconds) in limits {
        let limited = settings().with(limit, seconds);
        for Kind { name, client, .. } in on_every_storage(&limited, &clock, Vec::new).await {
            read(&client, "/login/ada").await;
            clock.advance(10 * MINUTE);
            assert_eq!(read(&client, "/user").await, "nobody", "{name} {limit}");
            clock.step_back(5 * MINUTE);
            assert_eq!(read(&client, "/user").await, "nobody", "{name} {limit}");
        }
    }
}

/// A request that has seen the old end does not end the session that another one has prolonged.
#[tokio::test]
async fn an_end_that_was_moved_meanwhile_ends_nothing() {
    let store = ScriptedStore::default();
    let clock = Clock::manual();
    let expire_in = async |request: Request, seconds: u64| -> Result<&'static str> {
        let session = &request.session;
        session.set_expiry(Duration::from_secs(seconds)).await?;
        Ok("")
    };
    let settings = settings().with("SESSION_STORAGE", "TestStore");
    let gate = Gate::new();
    let slow = page_with("/slow", &gate, async |request, gate| {
        request.session.set("slow", 1).await?;
        gate.pass().await;
        Ok(text("slow"))
    });
    let fixed = page_with("/until-in-a-minute", &clock, async |request, clock| {
        let end = SystemTime::UNIX_EPOCH + Duration::from_millis(clock.now()) + MINUTE;
        request.session.set_expiry(end).await?;
        Ok(text("fixed"))
    });
    let app = App::new(settings)
        .with(over(&store).clock(clock.clone()))
        .urls(urls())
        .urls([path("/expire-in/<seconds>", expire_in), slow, fixed]);
    let site = TestClient::start(app).await;
    read(&site, "/set/key/1").await;
    read(&site, "/until-in-a-minute").await;
    gate.beside(site.get("/slow"), async {
        read(&site, "/expire-in/3600").await;
        clock.advance(2 * MINUTE);
    })
    .await;
    assert_eq!(read(&site, "/get/slow").await, "1");
}

/// What a save would not do either.
#[tokio::test]
async fn a_visit_does_not_bring_back_a_session_whose_end_has_come() {
    let gate = Gate::new();
    let clock = Clock::manual();
    let sessions = SessionMiddleware::new().clock(clock.clone());
    let slow = page_with("/slow", &gate, async |request, gate| {
        let user = request.session.user().await?;
        gate.pass().await;
        Ok(text(user.unwrap_or_default()))
    });
    let settings = settings().with("SESSION_IDLE_TIMEOUT", 600);
    let site = TestClient::start(App::new(settings).with(sessions).urls(urls()).urls([slow])).await;
    read(&site, "/login/7").await;
    clock.advance(9 * MINUTE);
    let page = gate
        .beside(site.get("/slow"), async {
            clock.advance(2 * MINUTE);
        })
        .await;
    assert_eq!((page.text(), page.set_cookies().len()), ("7", 0));
    assert_eq!(read(&site, "/user").await, "nobody");
}
