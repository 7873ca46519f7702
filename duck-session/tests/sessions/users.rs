//! Which sessions a user has, and ending them: rules 36, 38, 39 and the limit for each user.

use std::time::Duration;

use duck::{Request, UrlPattern, path, text};
use duck_session::{Clock, SessionMiddleware};

use crate::support::{
    Kind, Op, ScriptedStore, When, id, on_every_storage, page, read, scripted, settings, visit,
    visit_store, with_id,
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Pages as an account page has them.
fn pages() -> Vec<UrlPattern> {
    vec![
        page("/sessions", async |request| {
            let mut lines = String::new();
            for session in request.session.sessions().await? {
                let here = if session.is_current { " here" } else { "" };
                let agent = session.agent.unwrap_or_else(|| "?".into());
                lines += &format!("{} {agent}{here}\n", session.name);
            }
            Ok(text(lines))
        }),
        path("/revoke/<name>", async |request: Request, name: String| {
            request
                .session
                .revoke(&name)
                .await
                .map(|done| done.to_string())
        }),
        path(
            "/revoke-user/<user>",
            async |request: Request, user: String| {
                request
                    .session
                    .revoke_user(&user)
                    .await
                    .map(|count| count.to_string())
            },
        ),
        path("/count/<user>", async |request: Request, user: String| {
            request
                .session
                .sessions_of(&user)
                .await
                .map(|list| list.len().to_string())
        }),
        page("/revoke-others", async |request| {
            Ok(text(request.session.revoke_others().await?.to_string()))
        }),
    ]
}

fn names(listing: &str) -> Vec<String> {
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    listing.lines().map(name).collect()
}

#[tokio::test]
async fn a_user_sees_their_sessions_and_not_those_of_others() {
    let clock = Clock::manual();
    for Kind { name, client, .. } in on_every_storage(&settings(), &clock, pages).await {
        let (laptop, phone, other) = (client.another(), client.another(), client.another());
        let login = laptop.get("/login/ada").header("user-agent", "Laptop/1.0");
        assert_eq!(login.await.status(), 200);
        clock.advance(Duration::from_secs(5));
        let login = phone.get("/login/ada").header("user-agent", "Phone/2.0");
        assert_eq!(login.await.status(), 200);
        read(&other, "/login/eve").await;
        assert_eq!(
            read(&client, "/sessions").await,
            "",
            "{name}: nobody has none"
        );

        let seen = read(&laptop, "/sessions").await;
        let lines: Vec<_> = seen.lines().collect();
        assert_eq!(lines.len(), 2, "{name}: {seen}");
        assert!(
            lines[0].ends_with(" Phone/2.0"),
            "{name}: the newest first: {seen}"
        );
        assert!(lines[1].ends_with(" Laptop/1.0 here"), "{name}: {seen}");
        for secret in [id(&laptop), id(&phone)] {
            assert!(!seen.contains(&secret), "{name}: an id is shown");
        }
        assert_eq!(names(&read(&other, "/sessions").await).len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_user_ends_one_of_their_sessions_and_never_anothers() {
    for Kind { name, client, .. } in on_every_storage(&settings(), &Clock::default(), pages).await {
        let (laptop, phone, other) = (client.another(), client.another(), client.another());
        read(&laptop, "/login/ada").await;
        read(&phone, "/login/ada").await;
        read(&other, "/login/eve").await;
        let evil = names(&read(&other, "/sessions").await).remove(0);
        let seen = read(&laptop, "/sessions").await;
        let lost = names(&seen);
        let lost = lost
            .iter()
            .zip(seen.lines())
            .find(|(_, line)| !line.ends_with("here"));
        let lost = lost.expect("the phone").0;
        assert_eq!(
            read(&laptop, &format!("/revoke/{evil}")).await,
            "false",
            "{name}"
        );
        assert_eq!(read(&other, "/user").await, "eve", "{name}");
        assert_eq!(
            read(&client, &format!("/revoke/{lost}")).await,
            "false",
            "{name}: nobody"
        );
        for bad in ["x", "..", "%00", &"a".repeat(64)] {
            assert_eq!(
                read(&laptop, &format!("/revoke/{bad}")).await,
                "false",
                "{name} {bad}"
            );
        }
        assert_eq!(
            read(&laptop, &format!("/revoke/{lost}")).await,
            "true",
            "{name}"
        );
        let response = phone.get("/user").await;
        assert_eq!(response.text(), "nobody", "{name}");
        assert_eq!(read(&laptop, "/user").await, "ada", "{name}");
        assert_eq!(names(&read(&laptop, "/sessions").await).len(), 1, "{name}");
    }
}

#[tokio::test]
async fn revoke_others_keeps_this_one() {
    for Kind { name, client, .. } in on_every_storage(&settings(), &Clock::default(), pages).await {
        let visitors: Vec<_> = (0..4).map(|_| client.another()).collect();
        for visitor in &visitors {
            read(visitor, "/set/cart/full").await;
            read(visitor, "/login/ada").await;
        }
        assert_eq!(read(&visitors[0], "/revoke-others").await, "3", "{name}");
        assert_eq!(read(&visitors[0], "/get/cart").await, "\"full\"", "{name}");
        for visitor in &visitors[1..] {
            assert_eq!(read(visitor, "/user").await, "nobody", "{name}");
        }
        assert_eq!(read(&visitors[0], "/revoke-others").await, "0", "{name}");
        assert_eq!(read(&client, "/revoke-others").await, "0", "{name}: nobody");
    }
}

#[tokio::test]
async fn revoke_user_ends_all_of_theirs_under_whatever_id() {
    for Kind { name, client, .. } in on_every_storage(&settings(), &Clock::default(), pages).await {
        let (one, two, other) = (client.another(), client.another(), client.another());
        read(&one, "/login/ada").await;
        read(&one, "/cycle").await;
        read(&two, "/login/ada").await;
        read(&two, "/login/ada").await;
        read(&other, "/login/ad").await;
        assert_eq!(read(&client, "/count/ada").await, "2", "{name}");
        assert_eq!(read(&client, "/revoke-user/ada").await, "2", "{name}");
        assert_eq!(read(&one, "/user").await, "nobody", "{name}");
        assert_eq!(read(&two, "/user").await, "nobody", "{name}");
        assert_eq!(read(&other, "/user").await, "ad", "{name}");
        assert_eq!(read(&client, "/revoke-user/ada").await, "0", "{name}");
    }
}

#[tokio::test]
async fn a_logout_and_another_users_login_leave_the_list() {
    for Kind { name, client, .. } in on_every_storage(&settings(), &Clock::default(), pages).await {
        let visitor = client.another();
        read(&visitor, "/login/ada").await;
        read(&visitor, "/login/eve").await;
        assert_eq!(read(&client, "/count/ada").await, "0", "{name}");
        assert_eq!(read(&client, "/count/eve").await, "1", "{name}");
        read(&visitor, "/logout").await;
        assert_eq!(read(&client, "/count/eve").await, "0", "{name}");
    }
}

/// What a request under way would save is not saved: it cannot bring the session back.
#[tokio::test]
async fn a_slow_write_does_not_undo_a_revocation() {
    let (client, cache) = scripted(pages()).await;
    let victim = client.another();
    for slow in ["/set/a/1", "/cycle"] {
        read(&victim, "/login/ada").await;
        let gate = cache.hold(Op::Replace, When::Before);
        let late = with_id(&victim, &id(&victim));
        gate.beside(late.get(slow), read(&client, "/revoke-user/ada"))
            .await;
        assert_eq!(read(&victim, "/user").await, "nobody", "{slow}");
        assert_eq!(read(&late, "/user").await, "nobody", "{slow}");
        assert_eq!(cache.len(), 0, "{slow}");
        victim.clear_cookies();
    }
}

/// Whatever is saved to it when its user's sessions have been read, it ends as long as it is the user's.
#[tokio::test]
async fn a_revocation_ends_a_session_that_changes_meanwhile() {
    let (client, cache) = scripted(pages()).await;
    let victim = client.another();
    for changes in [&["/cycle"][..], &["/login/ada"], &["/add/n", "/cycle"]] {
        read(&victim, "/login/ada").await;
        let gate = cache.hold(Op::List, When::After);
        let ended = gate
            .beside(read(&client, "/revoke-user/ada"), async {
                for page in changes {
                    read(&victim, page).await;
                }
            })
            .await;
        assert_eq!(ended, "1", "{changes:?}");
        assert_eq!(read(&victim, "/user").await, "nobody", "{changes:?}");
        assert_eq!(read(&client, "/count/ada").await, "0", "{changes:?}");
    }
}

/// By then it is the session of somebody whom nobody has revoked.
#[tokio::test]
async fn a_revocation_leaves_a_session_that_has_become_another_users() {
    let (client, cache) = scripted(pages()).await;
    let shared = client.another();
    read(&shared, "/login/ada").await;
    let gate = cache.hold(Op::List, When::After);
    let ended = gate
        .beside(
            read(&client, "/revoke-user/ada"),
            read(&shared, "/login/bob"),
        )
        .await;
    assert_eq!(ended, "0");
    assert_eq!(read(&shared, "/user").await, "bob");
}

/// A list lasts for as long as what is on it, however often the end of a session is moved.
#[tokio::test]
async fn a_session_that_is_used_for_a_year_is_still_on_the_list() {
    let clock = Clock::manual();
    for Kind { name, client, .. } in on_every_storage(&settings(), &clock, pages).await {
        let visitor = client.another();
        read(&visitor, "/login/ada").await;
        for _ in 0..73 {
            clock.advance(5 * DAY);
            read(&visitor, "/add/n").await;
        }
        assert_eq!(read(&visitor, "/user").await, "ada", "{name}");
        assert_eq!(read(&client, "/revoke-user/ada").await, "1", "{name}");
        assert_eq!(read(&visitor, "/user").await, "nobody", "{name}");
    }
}

#[tokio::test]
async fn a_login_too_many_ends_the_session_not_seen_for_longest() {
    let clock = Clock::manual();
    let limited = settings()
        .with("SESSION_MAX_SESSIONS_PER_USER", 2)
        .with("SESSION_SAVE_EVERY_REQUEST", true);
    for Kind { name, client, .. } in on_every_storage(&limited, &clock, pages).await {
        let visitors: Vec<_> = (0..3).map(|_| client.another()).collect();
        for visitor in &visitors[..2] {
            read(visitor, "/login/ada").await;
            clock.advance(Duration::from_secs(60));
        }
        read(&visitors[0], "/user").await;
        clock.advance(Duration::from_secs(60));
        read(&visitors[2], "/login/ada").await;
        assert_eq!(read(&visitors[1], "/user").await, "nobody", "{name}");
        assert_eq!(read(&visitors[0], "/user").await, "ada", "{name}");
        assert_eq!(read(&visitors[2], "/user").await, "ada", "{name}");
        read(&visitors[2], "/login/ada").await;
        assert_eq!(
            read(&visitors[0], "/user").await,
            "ada",
            "{name}: a new id is no session more"
        );
    }
}

/// A name in a link of the page stays good however often the id changes.
#[tokio::test]
async fn a_session_keeps_its_name_over_renewals_and_logins() {
    let clock = Clock::manual();
    let renewing = settings().with("SESSION_RENEWAL_INTERVAL", "1 hour");
    for Kind { name, client, .. } in on_every_storage(&renewing, &clock, pages).await {
        read(&client, "/login/ada").await;
        let first = names(&read(&client, "/sessions").await);
        for path in ["/cycle", "/login/ada", "/user", "/add/n"] {
            let before = id(&client);
            clock.advance(HOUR);
            read(&client, path).await;
            assert_ne!(id(&client), before, "{name} {path}");
            let now = names(&read(&client, "/sessions").await);
            assert_eq!(now, first, "{name} {path}");
        }
        let phone = client.another();
        read(&phone, "/login/ada").await;
        assert_eq!(read(&phone, &format!("/revoke/{}", first[0])).await, "true");
        assert_eq!(read(&client, "/user").await, "nobody", "{name}");
    }
}

#[tokio::test]
async fn by_default_the_101st_login_of_a_user_ends_the_session_not_seen_for_longest() {
    let clock = Clock::manual();
    let sessions = SessionMiddleware::new().clock(clock.clone());
    let client = visit(settings(), sessions, pages()).await;
    let visitors: Vec<_> = (0..101).map(|_| client.another()).collect();
    for visitor in &visitors {
        clock.advance(Duration::from_secs(60));
        read(visitor, "/login/ada").await;
    }
    assert_eq!(read(&client, "/count/ada").await, "100");
    assert_eq!(read(&visitors[0], "/user").await, "nobody");
    assert_eq!(read(&visitors[1], "/user").await, "ada");
    assert_eq!(read(&visitors[100], "/user").await, "ada");
}

/// Without a limit a login does not look at the others; and all of them end together, however many.
#[tokio::test]
async fn with_0_a_user_may_have_any_number_of_sessions() {
    let unlimited = settings().with("SESSION_MAX_SESSIONS_PER_USER", 0);
    let store = ScriptedStore::default();
    let client = visit_store(unlimited, &store, pages()).await;
    for _ in 0..1_500 {
        read(&client.another(), "/login/ada").await;
    }
    assert!(!store.calls().contains(&Op::List));
    assert_eq!(store.len(), 1_500);
    assert_eq!(read(&client, "/revoke-user/ada").await, "1500");
    assert_eq!(store.len(), 0);
}

/// More than are looked at together elsewhere.
#[tokio::test]
async fn a_limit_of_more_than_a_thousand_is_kept_too() {
    let limited = settings().with("SESSION_MAX_SESSIONS_PER_USER", 1_100);
    let store = ScriptedStore::default();
    let client = visit_store(limited, &store, pages()).await;
    let first = client.another();
    read(&first, "/login/ada").await;
    // The others are made beside the engine's limit, which would look at all of them each time.
    let others = settings().with("SESSION_MAX_SESSIONS_PER_USER", 0);
    let others = visit_store(others, &store, []).await;
    for _ in 0..1_099 {
        read(&others.another(), "/login/ada").await;
    }
    read(&client.another(), "/login/ada").await;
    assert_eq!(store.len(), 1_100);
}

#[tokio::test]
async fn a_login_too_many_can_be_refused() {
    let limited = settings()
        .with("SESSION_MAX_SESSIONS_PER_USER", 1)
        .with("SESSION_ON_LIMIT", "refuse");
    for Kind { name, client, .. } in on_every_storage(&limited, &Clock::default(), pages).await {
        let (one, two) = (client.another(), client.another());
        read(&one, "/login/ada").await;
        let response = two.get("/login/ada").await;
        assert_eq!(response.status(), 403, "{name}");
        assert_eq!(response.set_cookies(), [""; 0], "{name}");
        assert_eq!(read(&one, "/user").await, "ada", "{name}");
        read(&one, "/logout").await;
        assert_eq!(read(&two, "/login/ada").await, "in", "{name}");
    }
}

#[tokio::test]
async fn the_cookie_engine_says_that_it_cannot() {
    let client = visit(
        settings().with("SESSION_ENGINE", "cookie"),
        SessionMiddleware::new(),
        pages(),
    )
    .await;
    read(&client, "/login/ada").await;
    for path in ["/sessions", "/revoke-others", "/revoke-user/ada"] {
        assert_eq!(client.get(path).await.status(), 500, "{path}");
    }
    assert_eq!(read(&client, "/user").await, "ada");
}

/// Sessions that are over take the room of others in what a store gives at once.
#[tokio::test]
async fn revoking_reaches_the_sessions_behind_a_thousand_expired_ones() {
    let clock = Clock::manual();
    let settings = settings()
        .with("SESSION_MAX_SESSIONS_PER_USER", 0)
        .with("SESSION_SWEEP_INTERVAL", 0)
        .with("SESSION_COOKIE_AGE", 600);
    let sessions = SessionMiddleware::new().clock(clock.clone());
    let client = visit(settings, sessions, pages()).await;
    let log_in = async |count: usize| {
        let mut last = client.another();
        for _ in 0..count {
            last = client.another();
            read(&last, "/login/ada").await;
        }
        last
    };
    let alive = [log_in(600).await, log_in(600).await];
    clock.advance(Duration::from_secs(500));
    for client in &alive {
        read(client, "/set/a/1").await;
    }
    log_in(600).await;
    clock.advance(Duration::from_secs(200));
    assert_eq!(read(&client, "/revoke-user/ada").await, "602");
    for client in &alive {
        assert_eq!(read(client, "/user").await, "nobody");
    }
}
