//! More than one session cookie in a request: rules 36, 46 and 48.

use duck::Settings;
use duck::testing::{TestClient, TestResponse};

use crate::support::{Op, ScriptedStore, id, read, scripted, settings, visit_store, with_id};

/// A page for a visitor with all of these cookies, and no others.
async fn ask(client: &TestClient, path: &str, ids: &[&str]) -> TestResponse {
    let pairs: Vec<_> = ids.iter().map(|id| format!("session_id={id}")).collect();
    let visitor = client.another();
    visitor.get(path).header("cookie", &pairs.join("; ")).await
}

async fn two_live(settings: Settings) -> (TestClient, ScriptedStore, String, String) {
    let store = ScriptedStore::default();
    let client = visit_store(settings, &store, []).await;
    let client = client.at_host("example.org");
    let (one, two) = (client.another(), client.another());
    read(&one, "/login/1").await;
    read(&two, "/login/2").await;
    (client, store, id(&one), id(&two))
}

#[tokio::test]
async fn of_several_live_sessions_none_is_read() {
    let (client, store, one, two) = two_live(settings()).await;
    let before = store.versions();
    for ids in [[&*one, &two], [&two, &one]] {
        for path in ["/user", "/get/a", "/clear", "/cycle"] {
            let answer = ask(&client, path, &ids).await;
            assert!(!["1", "2"].contains(&answer.text()), "{path}");
            assert_eq!(answer.set_cookies(), [""; 0], "{path}");
        }
    }
    assert_eq!(store.versions(), before);
}

/// One of them was planted: whichever it was, nobody is logged in by it afterwards.
#[tokio::test]
async fn a_login_and_a_logout_end_every_live_session_that_was_presented() {
    for path in ["/login/3", "/logout"] {
        let (client, store, one, two) = two_live(settings()).await;
        let dead = "A".repeat(43);
        let answer = ask(&client, path, &[&dead, &one, &two]).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.set_cookies().len(), 1, "{path}");
        for id in [&one, &two] {
            assert_eq!(
                read(&with_id(&client, id), "/user").await,
                "nobody",
                "{path}"
            );
        }
        if path == "/logout" {
            assert_eq!(store.len(), 0);
            assert!(answer.set_cookies()[0].contains("Max-Age=0"));
        } else {
            assert_eq!(store.len(), 1, "the new one");
        }
    }
}

/// Of a session whose verifier was wrong nothing is known of who presents it.
#[tokio::test]
async fn a_logout_ends_no_session_whose_verifier_was_wrong() {
    let (client, store, one, two) = two_live(settings()).await;
    let wrong = format!("{}{}", &two[..22], &one[22..]);
    ask(&client, "/logout", &[&one, &wrong]).await;
    assert_eq!(read(&with_id(&client, &one), "/user").await, "nobody");
    assert_eq!(read(&with_id(&client, &two), "/user").await, "2");
    assert_eq!(store.len(), 1);
}

#[tokio::test]
async fn a_logout_removes_the_cookie_of_the_host_and_that_of_the_domain() {
    let domain = settings().with("SESSION_COOKIE_DOMAIN", "example.org");
    let (client, _, one, two) = two_live(domain).await;
    let gone = "session_id=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax";
    let of_domain = gone.replace("Path=/;", "Path=/; Domain=example.org;");
    for ids in [&[&*one, &two][..], &[&one], &["junk"]] {
        let answer = ask(&client, "/logout", ids).await;
        assert_eq!(answer.set_cookies(), [&*of_domain, gone], "{}", ids.len());
    }
    let nothing_came = client.another().get("/logout").await;
    assert_eq!(nothing_came.set_cookies(), [""; 0]);
}

/// An old cookie that another path has kept is no second session.
#[tokio::test]
async fn one_right_verifier_silences_the_others_of_its_session_and_costs_one_read() {
    let (client, store) = scripted([]).await;
    read(&client, "/login/7").await;
    let old = id(&client);
    read(&client, "/cycle").await;
    let current = id(&client);
    for ids in [[&*old, &current], [&current, &old]] {
        store.calls();
        assert_eq!(ask(&client, "/user", &ids).await.text(), "7");
        assert_eq!(store.calls(), [Op::Load]);
        assert_eq!(ask(&client, "/add/n", &ids).await.status(), 200);
    }
    assert_eq!(read(&client, "/get/n").await, "2");
}

/// Whoever floods a browser with cookies logs nobody out by it.
#[tokio::test]
async fn junk_cookies_remove_nothing_however_many_there_are() {
    let (client, store) = scripted([]).await;
    read(&client, "/login/7").await;
    let own = id(&client);
    let junk: Vec<_> = (0..5).map(|n| format!("{n}{}", "A".repeat(42))).collect();
    let mut ids: Vec<_> = junk.iter().map(String::as_str).collect();
    ids.push(&own);
    let before = store.versions();
    for path in ["/user", "/clear", "/cycle", "/plain"] {
        let answer = ask(&client, path, &ids).await;
        assert_eq!(answer.set_cookies(), [""; 0], "{path}");
        let answer = ask(&client, path, &["junk", "..", "\"\"", "x", &junk[0]]).await;
        assert_eq!(answer.set_cookies(), [""; 0], "{path}");
    }
    assert_eq!(store.versions(), before);
    assert_eq!(read(&client, "/user").await, "7");
}

/// An id that a login has just replaced drops the writes of those who have nothing else.
#[tokio::test]
async fn beside_a_live_session_an_id_that_was_just_replaced_drops_no_write() {
    let (client, _, one, two) = two_live(settings()).await;
    read(&with_id(&client, &one), "/cycle").await;
    for ids in [[&*one, &two], [&two, &one]] {
        assert_eq!(ask(&client, "/add/n", &ids).await.status(), 200);
    }
    assert_eq!(read(&with_id(&client, &two), "/get/n").await, "2");
}
