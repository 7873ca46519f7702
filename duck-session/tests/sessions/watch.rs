//! Looking at a session again, once or until it is over: rule 72.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use duck::http::stream;
use duck::session::SessionError;
use duck::testing::TestClient;
use duck::{Bytes, Request, Session, UrlPattern, text};
use duck_session::{Clock, SessionMiddleware};
use futures_util::{StreamExt, stream as streams};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{
    Gate, Op, ScriptedStore, id, over, page, page_with, read, scripted, settings, visit,
    visit_store, with_id,
};

#[tokio::test]
async fn reading_again_throws_away_what_is_not_saved_and_shows_what_others_saved() {
    let gate = Gate::new();
    let (client, _) = scripted([page_with("/slow", &gate, async |request, gate| {
        let session = &request.session;
        session.set("mine", 1).await?;
        session.update("n", |n: &mut u32| *n += 10).await?;
        session.set_modified(true);
        gate.pass().await;
        session.reload().await?;
        assert!(!session.modified());
        assert!(!session.contains("mine").await?);
        Ok(text(format!("{:?}", session.get::<u32>("n").await?)))
    })])
    .await;
    read(&client, "/add/n").await;
    let slow = gate
        .beside(read(&client, "/slow"), read(&client, "/add/n"))
        .await;
    assert_eq!(slow, "Some(2)");
    assert_eq!(read(&client, "/get/mine").await, "nothing");
    assert_eq!(read(&client, "/get/n").await, "2");
}

#[tokio::test]
async fn what_is_set_after_reading_again_is_saved() {
    let (client, cache) = scripted([page("/again", async |request| {
        request.session.set("a", 1).await?;
        request.session.reload().await?;
        request.session.set("b", 2).await?;
        Ok(text(""))
    })])
    .await;
    let response = client.get("/again").await;
    assert_eq!(response.set_cookies().len(), 1, "a visitor who is new");
    assert_eq!(read(&client, "/get/a").await, "nothing");
    assert_eq!(read(&client, "/get/b").await, "2");
    read(&client, "/remove/b").await;
    cache.calls();
    read(&client, "/again").await;
    assert_eq!(cache.calls(), [Op::Load, Op::Load, Op::Replace]);
    assert_eq!(read(&client, "/get/b").await, "2");
}

#[tokio::test]
async fn the_first_access_reads_once() {
    let (client, cache) = scripted([page("/again", async |request| {
        request.session.reload().await?;
        Ok(text(format!(
            "{:?}",
            request.session.get::<String>("a").await?
        )))
    })])
    .await;
    read(&client, "/set/a/1").await;
    cache.calls();
    assert_eq!(read(&client, "/again").await, "Some(\"1\")");
    assert_eq!(cache.calls(), [Op::Load]);
}

#[tokio::test]
async fn reading_again_undoes_a_login_but_no_logout_and_no_new_id() {
    let (client, _) = scripted([
        page("/logout-again", async |request| {
            request.session.logout().await?;
            request.session.reload().await?;
            assert_eq!(request.session.user().await?, None);
            Ok(text(""))
        }),
        page("/login-again", async |request| {
            request.session.login("admin").await?;
            request.session.reload().await?;
            Ok(text(""))
        }),
        page("/cycle-again", async |request| {
            request.session.cycle_id().await?;
            request.session.save().await?;
            request.session.reload().await?;
            Ok(text(format!("{:?}", request.session.user().await?)))
        }),
    ])
    .await;
    read(&client, "/login/ada").await;
    read(&client, "/set/a/1").await;
    for path in ["/login-again", "/cycle-again"] {
        let old = id(&client);
        read(&client, path).await;
        assert_ne!(id(&client), old, "{path}");
        assert_eq!(read(&client, "/user").await, "ada", "{path}");
        assert_eq!(read(&client, "/get/a").await, "\"1\"", "{path}");
        assert_eq!(read(&with_id(&client, &old), "/user").await, "nobody");
    }
    let old = id(&client);
    read(&client, "/logout-again").await;
    assert_eq!(client.cookie("session_id"), None);
    assert_eq!(read(&with_id(&client, &old), "/user").await, "nobody");
}

#[tokio::test]
async fn a_session_that_ended_is_empty_when_it_is_read_again_and_takes_nothing() {
    let gate = Gate::new();
    let (client, cache) = scripted([page_with("/slow", &gate, async |request, gate| {
        request.session.user().await?;
        gate.pass().await;
        request.session.reload().await?;
        let user = request.session.user().await?;
        request.session.set("a", 1).await?;
        Ok(text(format!("{user:?}")))
    })])
    .await;
    read(&client, "/login/ada").await;
    let tab = with_id(&client, &id(&client));
    let slow = gate
        .beside(tab.get("/slow"), read(&client, "/logout"))
        .await;
    assert_eq!(slow.text(), "None");
    assert_eq!(slow.set_cookies(), [""; 0]);
    assert_eq!(cache.len(), 0);
}

#[tokio::test]
async fn where_the_storage_fails_what_was_set_is_still_there() {
    let cache = ScriptedStore::default();
    let more = [page_with("/again", &cache, async |request, cache| {
        request.session.set("a", 1).await?;
        cache.fail(&[Op::Load]);
        let failed = request.session.reload().await;
        cache.fail(&[]);
        assert!(matches!(failed, Err(SessionError::Store(_))), "{failed:?}");
        Ok(text(""))
    })];
    let client = visit_store(settings(), &cache, more).await;
    read(&client, "/set/b/1").await;
    read(&client, "/again").await;
    assert_eq!(read(&client, "/get/a").await, "1");
}

#[tokio::test]
async fn a_stream_may_read_again_what_others_saved_since() {
    for engine in ["cache", "cookie"] {
        let kept = Arc::new(Mutex::new(None));
        let keep = page_with("/keep", &kept, async |request, kept| {
            request.session.is_new().await?;
            *kept.lock().unwrap() = Some(request.session);
            Ok(text(""))
        });
        let settings = settings().with("SESSION_ENGINE", engine);
        let client = visit(settings, SessionMiddleware::new(), [keep]).await;
        read(&client, "/set/a/1").await;
        read(&client, "/keep").await;
        let session: Session = kept.lock().unwrap().take().unwrap();
        read(&client, "/set/a/2").await;
        assert_eq!(session.get::<String>("a").await.unwrap().unwrap(), "1");
        session.reload().await.unwrap();
        let now = if engine == "cache" { "2" } else { "1" };
        assert_eq!(session.get::<String>("a").await.unwrap().unwrap(), now);
        let late = session.set("b", 1).await;
        assert!(matches!(late, Err(SessionError::Committed)), "{late:?}");
    }
    let none = Session::default().reload().await;
    assert!(matches!(none, Err(SessionError::Missing)), "{none:?}");
}

/// A page that sends a letter a second until the session is over: how many there are is how long
/// it has lived.
fn letters() -> UrlPattern {
    page("/letters", async |request: Request| {
        let letters = streams::unfold((), async |()| {
            sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, SessionError>(Bytes::from_static(b"x")), ()))
        });
        let letters = letters.boxed().take_until(request.session.watch());
        Ok(stream("text/plain", letters))
    })
}

async fn seconds(client: &TestClient) -> u64 {
    let page = timeout(
        Duration::from_secs(5000),
        client.get("/letters").into_future(),
    );
    let page = page.await.expect("it goes on and on");
    assert_eq!(page.header("vary"), Some("Cookie"));
    u64::try_from(page.bytes().len()).unwrap()
}

/// What somebody else does so many seconds later.
async fn after(seconds: u64, client: &TestClient, path: &str) {
    sleep(Duration::from_secs(seconds)).await;
    read(client, path).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_visitor_logs_out_elsewhere() {
    let (client, cache) = scripted([letters()]).await;
    read(&client, "/login/ada").await;
    let tab = with_id(&client, &id(&client));
    cache.calls();
    let (lived, ()) = tokio::join!(seconds(&tab), async {
        sleep(Duration::from_secs(150)).await;
        assert_eq!(cache.calls(), [Op::Load; 3], "to load it, and twice");
        read(&client, "/logout").await;
        cache.calls();
    });
    assert_eq!(lived, 179, "it asks once a minute");
    assert_eq!(cache.calls(), [Op::Load]);
}

#[tokio::test(start_paused = true)]
async fn the_storage_is_asked_as_often_as_the_setting_says() {
    for (interval, lived) in [(10, 159), (100, 199), (0, 150)] {
        let cache = ScriptedStore::default();
        let settings = settings().with("SESSION_TOUCH_INTERVAL", interval);
        let client = visit_store(settings, &cache, [letters()]).await;
        read(&client, "/login/ada").await;
        let tab = with_id(&client, &id(&client));
        let logout = after(150, &client, "/logout");
        assert_eq!(tokio::join!(seconds(&tab), logout).0, lived, "{interval}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_id_is_watched_no_longer_than_it_lives() {
    for path in ["/cycle", "/login/bob"] {
        let (client, _) = scripted([letters()]).await;
        read(&client, "/login/ada").await;
        let tab = with_id(&client, &id(&client));
        let renewal = after(90, &client, path);
        assert_eq!(tokio::join!(seconds(&tab), renewal).0, 119, "{path}");
    }
}

/// Lets the clock of the sessions go with the runtime's.
fn runs(clock: &Clock) -> tokio::task::JoinHandle<()> {
    let clock = clock.clone();
    tokio::spawn(async move {
        loop {
            sleep(Duration::from_secs(1)).await;
            clock.advance(Duration::from_secs(1));
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_session_that_gets_new_ids_in_time_is_followed() {
    let (cache, clock) = (ScriptedStore::default(), Clock::manual());
    let renewing = settings()
        .with("SESSION_RENEWAL_INTERVAL", 100)
        .with("SESSION_RENEWAL_GRACE", 5)
        .with("SESSION_STORAGE", "TestStore");
    let client = visit(renewing, over(&cache).clock(clock.clone()), [letters()]).await;
    read(&client, "/login/ada").await;
    let (first, tab) = (id(&client), with_id(&client, &id(&client)));
    let time = runs(&clock);
    let (lived, ()) = tokio::join!(seconds(&tab), async {
        for _ in 0..45 {
            after(20, &client, "/user").await;
        }
        assert_eq!(read(&client, "/user").await, "ada");
        assert_ne!(id(&client), first);
        let late = with_id(&client, &first);
        assert_eq!(read(&late, "/user").await, "nobody", "others do not follow");
        read(&client, "/logout").await;
    });
    assert!((899..=960).contains(&lived), "{lived}");
    time.abort();
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_session_is_revoked() {
    let (client, _) = scripted([
        letters(),
        page("/revoke-others", async |request| {
            Ok(text(request.session.revoke_others().await?.to_string()))
        }),
    ])
    .await;
    read(&client, "/login/ada").await;
    let other = client.another();
    read(&other, "/login/ada").await;
    let revoke = after(90, &other, "/revoke-others");
    assert_eq!(tokio::join!(seconds(&client), revoke).0, 119);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_the_password_changes() {
    let (cache, hash) = (ScriptedStore::default(), Arc::new(Mutex::new("old")));
    let asked = hash.clone();
    let sessions = over(&cache).auth_hash(move |_user: String| {
        let now = asked.lock().unwrap().to_string();
        async move { Ok(Some(now)) }
    });
    let settings = settings().with("SESSION_STORAGE", "TestStore");
    let client = visit(settings, sessions, [letters()]).await;
    read(&client, "/login/ada").await;
    let (lived, ()) = tokio::join!(seconds(&client), async {
        sleep(Duration::from_secs(90)).await;
        *hash.lock().unwrap() = "new";
    });
    assert_eq!(lived, 119);
}

/// What a view has not saved yet belongs to what it has loaded, and not to what it sees by watching.
#[tokio::test(start_paused = true)]
async fn watching_while_the_page_is_made_loses_no_change() {
    let (client, _) = scripted([page("/slow", async |request| {
        request.session.set("mine", 1).await?;
        let watched = timeout(Duration::from_secs(150), request.session.watch());
        assert!(watched.await.is_err(), "it lives");
        Ok(text(""))
    })])
    .await;
    read(&client, "/add/n").await;
    let tab = with_id(&client, &id(&client));
    tokio::join!(read(&tab, "/slow"), after(30, &client, "/add/n"));
    assert_eq!(read(&client, "/get/n").await, "2");
    assert_eq!(read(&client, "/get/mine").await, "1");
}

/// A session that is watched for long is not visited by that.
#[tokio::test(start_paused = true)]
async fn a_session_that_is_only_watched_ends_in_its_time() {
    let cache = ScriptedStore::default();
    let clock = Clock::manual();
    let idle = settings()
        .with("SESSION_IDLE_TIMEOUT", 600)
        .with("SESSION_STORAGE", "TestStore");
    let client = visit(idle, over(&cache).clock(clock.clone()), [letters()]).await;
    read(&client, "/login/ada").await;
    cache.calls();
    let tab = with_id(&client, &id(&client));
    let time = runs(&clock);
    let lived = seconds(&tab).await;
    assert!((599..=660).contains(&lived), "{lived}");
    assert!(cache.calls().iter().all(|call| *call == Op::Load));

    read(&client, "/login/ada").await;
    let tab = with_id(&client, &id(&client));
    let (lived, ()) = tokio::join!(seconds(&tab), after(500, &client, "/user"));
    assert!((1099..=1160).contains(&lived), "a visit counts: {lived}");
    time.abort();
}

#[tokio::test(start_paused = true)]
async fn without_a_session_it_is_over_at_once() {
    let (client, _) = scripted([
        letters(),
        page("/logout-and-watch", async |request| {
            request.session.logout().await?;
            Ok(watched(&request))
        }),
    ])
    .await;
    assert_eq!(seconds(&client).await, 0);
    read(&client, "/login/ada").await;
    assert_eq!(read(&client, "/logout-and-watch").await, "0");
    let start = Instant::now();
    Session::default().watch().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// A body that says how many seconds the session has lived from here on.
fn watched(request: &Request) -> duck::Response {
    let (start, over) = (Instant::now(), request.session.watch());
    let said = streams::once(async move {
        over.await;
        Ok::<_, SessionError>(start.elapsed().as_secs().to_string().into())
    });
    stream("text/plain", said.boxed())
}

#[tokio::test(start_paused = true)]
async fn a_session_begun_or_renewed_on_the_page_is_watched_under_its_new_id() {
    let (client, _) = scripted([
        page("/begin", async |request| {
            let watched = watched(&request);
            request.session.set("a", 1).await?;
            Ok(watched)
        }),
        page("/renew", async |request| {
            request.session.cycle_id().await?;
            Ok(watched(&request))
        }),
    ])
    .await;
    for path in ["/begin", "/renew"] {
        let old = client.cookie("session_id");
        let (lived, ()) = tokio::join!(read(&client, path), async {
            sleep(Duration::from_secs(100)).await;
            assert_ne!(client.cookie("session_id"), old, "{path}");
            let tab = with_id(&client, &id(&client));
            read(&tab, "/logout").await;
        });
        assert_eq!(lived, "120", "{path}");
        client.clear_cookies();
        read(&client, "/login/ada").await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_storage_fails_a_session_counts_until_the_end_that_was_known() {
    let cache = ScriptedStore::default();
    let clock = Clock::manual();
    let settings = settings()
        .with("SESSION_COOKIE_AGE", 600)
        .with("SESSION_STORAGE", "TestStore");
    let client = visit(settings, over(&cache).clock(clock.clone()), [letters()]).await;
    read(&client, "/login/ada").await;
    let tab = with_id(&client, &id(&client));
    let (lived, ()) = tokio::join!(seconds(&tab), async {
        sleep(Duration::from_secs(90)).await;
        cache.fail(&[Op::Load]);
        sleep(Duration::from_secs(300)).await;
        clock.advance(Duration::from_secs(600));
    });
    assert_eq!(lived, 419);
}
