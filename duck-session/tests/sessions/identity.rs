//! Ids: where they come from, where they are never seen, which are never taken on. Rules 1 to 7
//! and 32, 33, 35 to 37.

use std::collections::HashSet;
use std::sync::Arc;

use duck::http::{HeaderMap, HeaderValue};
use duck::session::{CookieValue, Loaded, NewCookie, Record, SessionData, SessionId, Visitor};
use duck::{Request, text};
use duck_session::SessionMiddleware;
use duck_session::store::StoredSession;

use crate::support::{
    Op, ScriptedStore, id, page, read, scripted, settings, visit, visit_store, with_id,
};

#[tokio::test]
async fn every_id_is_43_characters_of_the_alphabet_and_another_one() {
    ids_differ(2000).await;
}

#[tokio::test]
#[ignore = "takes half a minute"]
async fn a_hundred_thousand_ids_are_all_different() {
    ids_differ(100_000).await;
}

async fn ids_differ(count: usize) {
    let client = visit(settings(), SessionMiddleware::new(), []).await;
    let mut seen = HashSet::new();
    for _ in 0..count {
        let visitor = client.another();
        visitor.get("/set/a/1").await;
        let id = id(&visitor);
        assert!(SessionId::parse(id.as_bytes()).is_some(), "{id}");
        assert!(seen.insert(id));
    }
}

#[tokio::test]
async fn what_can_be_printed_shows_no_id_and_no_data() {
    let secret = "A".repeat(43);
    let value = HeaderValue::try_from(&secret).unwrap();
    let record = Record::new(
        SessionId::parse(secret.as_bytes()),
        Arc::new(secret.clone()),
        std::time::SystemTime::now(),
    );
    let shown = format!(
        "{:?} {:?} {record:?} {:?}",
        Visitor::new(
            HeaderMap::from_iter([("cookie".parse().unwrap(), value.clone())]),
            true
        ),
        NewCookie::new(CookieValue::Text(value), None),
        Loaded::live(record.clone(), SessionData::default()),
    );
    assert!(
        !shown.contains("AAA") && !shown.contains("65, 65"),
        "{shown}"
    );

    let (client, _) = scripted([page("/debug", async |request: Request| {
        request.session.set("card", "4111-1111-1111-1111").await?;
        let guard = request.session.clone();
        Ok(text(format!("{request:?} {:?} {guard:?}", request.session)))
    })])
    .await;
    let response = client.get("/debug").await;
    let shown = format!("{response:?} {}", response.text());
    let debug = read(&client, "/debug").await;
    for secret in [&id(&client), "4111-1111-1111-1111"] {
        assert!(
            !shown.contains(secret) && !debug.contains(secret),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn the_storage_sees_neither_ids_nor_data() {
    let (client, cache) = scripted([]).await;
    read(&client, "/set/card/4111-2222").await;
    read(&client, "/login/grace").await;
    let id = id(&client);
    let raw = data_encoding::BASE64URL_NOPAD
        .decode(id.as_bytes())
        .unwrap();
    let session = cache.only();
    let (selector, verifier) = raw.split_at(16);
    let user = session.user().unwrap().as_bytes();
    for stored in [session.key().as_bytes(), user, &session.bytes()[..]] {
        for secret in [
            id.as_bytes(),
            selector,
            verifier,
            b"4111-2222",
            b"grace",
            b"card",
        ] {
            assert!(!stored.windows(secret.len()).any(|bytes| bytes == secret));
        }
    }
}

/// Malformed: no storage operation at all, and treated as no cookie.
#[tokio::test]
async fn a_malformed_id_never_reaches_the_storage() {
    let (client, cache) = scripted([]).await;
    let good = "A".repeat(43);
    let malformed = [
        "",
        "A",
        &good[1..],
        &format!("{good}A"),
        &format!("{}B", &good[1..]),
        &format!("{}/", &good[1..]),
        &format!("{}.", &good[1..]),
        "..",
        "\"quoted\"",
    ];
    for value in malformed {
        let response = client
            .get("/get/a")
            .header("cookie", &format!("session_id={value}"))
            .await;
        assert_eq!(response.text(), "nothing", "{value}");
        assert_eq!(response.set_cookies(), [""; 0], "{value}");
        assert_eq!(cache.calls(), [], "{value}");
    }
}

#[tokio::test]
async fn an_unknown_id_is_never_taken_on() {
    let (client, cache) = scripted([]).await;
    let chosen = "B".repeat(42) + "A";
    for path in ["/set/a/1", "/login/7", "/add/n", "/cycle"] {
        let victim = with_id(&client, &chosen);
        let response = victim.get(path).await;
        if path == "/cycle" {
            assert_eq!(response.set_cookies(), [""; 0], "there is nothing to keep");
        } else {
            assert_ne!(id(&victim), chosen, "{path}");
        }
        let attacker = with_id(&client, &chosen);
        assert_eq!(read(&attacker, "/user").await, "nobody", "{path}");
        assert_eq!(read(&attacker, "/get/a").await, "nothing", "{path}");
    }
    assert_eq!(cache.len(), 3, "a page that set nothing created nothing");
}

/// Ids come in the cookie, never in the address, the body or another header.
#[tokio::test]
async fn an_id_is_read_from_the_cookie_only() {
    let (client, _) = scripted([]).await;
    read(&client, "/login/7").await;
    let id = id(&client);
    let stranger = client.another();
    let response = stranger
        .get(&format!("/user?session_id={id}"))
        .header("session_id", &id)
        .header("x-session-id", &id)
        .header("authorization", &format!("Bearer {id}"))
        .header("cookie2", &format!("session_id={id}"))
        .form(&[("session_id", &id)])
        .await;
    assert_eq!(response.text(), "nobody");
}

#[tokio::test]
async fn login_changes_the_id_and_keeps_what_an_anonymous_visitor_had() {
    let (client, cache) = scripted([]).await;
    read(&client, "/set/cart/duck").await;
    let anonymous = id(&client);
    read(&client, "/login/7").await;
    let first = id(&client);
    assert_ne!(first, anonymous);
    assert_eq!(read(&client, "/get/cart").await, "\"duck\"");
    let old = with_id(&client, &anonymous);
    assert_eq!(read(&old, "/user").await, "nobody");
    assert_eq!(read(&old, "/get/cart").await, "nothing");

    read(&client, "/login/7").await;
    assert_ne!(id(&client), first, "the same user again");
    assert_eq!(read(&client, "/get/cart").await, "\"duck\"");

    let before = id(&client);
    read(&client, "/login/8").await;
    assert_ne!(id(&client), before);
    assert_eq!(read(&client, "/user").await, "8");
    assert_eq!(read(&client, "/get/cart").await, "nothing");
    assert_eq!(cache.len(), 1, "whatever its id, it is one session");
}

/// The browser may hold a newer cookie already, so the old id gets a removal from a logout only.
#[tokio::test]
async fn an_id_that_was_given_up_is_anonymous_and_costs_no_cookie() {
    let (client, cache) = scripted([]).await;
    read(&client, "/set/a/1").await;
    let old = id(&client);
    read(&client, "/cycle").await;
    assert_eq!(read(&client, "/get/a").await, "\"1\"");
    let before = cache.versions();
    for path in ["/get/a", "/clear", "/set/a/2", "/cycle"] {
        let tab = with_id(&client, &old);
        let response = tab.get(path).await;
        assert_eq!(response.set_cookies(), [""; 0], "{path}");
    }
    let tab = with_id(&client, &old);
    read(&tab, "/logout").await;
    assert_eq!(tab.cookie("session_id"), None);
    assert_eq!(cache.versions(), before);
    assert_eq!(read(&client, "/get/a").await, "\"1\"");
}

#[tokio::test]
async fn an_id_that_cannot_be_changed_leaves_the_session_as_it_was() {
    let (client, cache) = scripted([]).await;
    read(&client, "/set/a/1").await;
    let before = id(&client);
    cache.fail(&[Op::Replace]);
    for path in ["/cycle", "/login/7"] {
        let response = client.get(path).await;
        assert_eq!(response.status(), 503, "{path}");
        assert_eq!(response.set_cookies(), [""; 0], "{path}");
    }
    cache.fail(&[]);
    assert_eq!(id(&client), before);
    assert_eq!(read(&client, "/get/a").await, "\"1\"");
    assert_eq!(read(&client, "/user").await, "nobody");
    assert_eq!(cache.len(), 1);
}

#[tokio::test]
async fn records_swapped_between_sessions_open_neither() {
    let (client, cache) = scripted([]).await;
    let admin = client.another();
    read(&admin, "/login/admin").await;
    let record = cache.only();
    let attacker = client.another();
    read(&attacker, "/set/a/1").await;
    let mut sessions = cache.sessions().into_keys();
    let other = sessions.find(|key| key != record.key()).unwrap();
    cache.put(StoredSession::new(
        other,
        record.version(),
        record.user().copied(),
        record.expires(),
        record.bytes().clone(),
    ));
    assert_eq!(read(&attacker, "/user").await, "nobody");
    assert_eq!(read(&admin, "/user").await, "admin");
}

#[tokio::test]
async fn a_changed_record_opens_nothing_and_stays() {
    let (client, cache) = scripted([]).await;
    read(&client, "/set/a/1").await;
    let session = cache.only();
    let record = session.bytes().clone();
    let cookie = format!("session_id={}", id(&client));
    for place in 0..record.len() {
        let mut changed = record.to_vec();
        changed[place] ^= 1;
        cache.put_bytes(&session, changed.clone());
        let response = client.get("/get/a").header("cookie", &cookie).await;
        assert_eq!(response.text(), "nothing", "byte {place}");
        assert_eq!(cache.only().bytes(), &changed, "byte {place}");
    }
    for length in 0..record.len() {
        cache.put_bytes(&session, record.slice(..length));
        assert_eq!(client.get("/plain").await.status(), 200);
        let response = client.get("/get/a").header("cookie", &cookie).await;
        assert_eq!(
            (response.status().as_u16(), response.text()),
            (200, "nothing")
        );
    }
    cache.put(session);
    let response = client.get("/get/a").header("cookie", &cookie).await;
    assert_eq!(response.text(), "\"1\"");
}

/// One of them was planted. What a login and a logout do to them is in `several_cookies.rs`.
#[tokio::test]
async fn of_two_live_sessions_in_one_request_neither_is_used() {
    let (client, cache) = scripted([]).await;
    let (one, two) = (client.another(), client.another());
    read(&one, "/login/1").await;
    read(&two, "/login/2").await;
    let (one, two) = (id(&one), id(&two));
    let dead = "A".repeat(43);
    let ask = async |path: &str, ids: &[&String]| {
        let pairs: Vec<_> = ids.iter().map(|id| format!("session_id={id}")).collect();
        let request = client.another();
        let response = request.get(path).header("cookie", &pairs.join("; ")).await;
        let cookies = response.set_cookies().into_iter().map(str::to_owned);
        (response.text().to_owned(), cookies.collect::<Vec<_>>())
    };
    for ids in [[&one, &two], [&two, &one]] {
        assert_eq!(ask("/user", &ids).await, ("nobody".into(), vec![]));
    }
    for ids in [[&one, &one], [&one, &dead], [&dead, &one]] {
        assert_eq!(ask("/user", &ids).await, ("1".into(), vec![]));
    }
    let many: Vec<String> = (0..9).map(|n| format!("{n}{}", "A".repeat(42))).collect();
    cache.calls();
    ask("/user", &many.iter().collect::<Vec<_>>()).await;
    assert_eq!(cache.calls(), [Op::Load; 4], "four are looked up at most");
    assert_eq!(cache.len(), 2);
}

/// What the storage holds with and without `SESSION_ENCRYPT`, and that the visitor is known on when
/// it is switched.
#[tokio::test]
async fn encryption_can_be_switched_while_sessions_live() {
    let cache = ScriptedStore::default();
    let shows = |cache: &ScriptedStore| {
        let session = cache.only();
        session
            .bytes()
            .windows(10)
            .any(|bytes| bytes == b"chartreuse")
    };
    let plain = settings().with("SESSION_ENCRYPT", false);
    let visitor = visit_store(plain.clone(), &cache, []).await;
    read(&visitor, "/set/colour/chartreuse").await;
    assert!(shows(&cache), "the data is readable");
    let sealed = visit_store(settings(), &cache, []).await;
    sealed.set_cookie("session_id", &id(&visitor));
    assert_eq!(read(&sealed, "/get/colour").await, "\"chartreuse\"");
    read(&sealed, "/set/other/1").await;
    assert!(!shows(&cache), "the data is encrypted with the next save");
    assert_eq!(read(&visitor, "/get/other").await, "\"1\"");
}

/// Damage is not an end: the right record may come back.
#[tokio::test]
async fn a_damaged_record_that_says_it_is_over_is_left_where_it_is() {
    let (client, cache) = scripted([]).await;
    read(&client, "/set/a/1").await;
    let session = cache.only();
    let (key, version, bytes) = (*session.key(), session.version(), session.bytes());
    cache.put(StoredSession::new(key, version, None, 1, bytes.clone()));
    let response = client.get("/get/a").await;
    assert_eq!(response.text(), "nothing");
    assert_eq!(response.set_cookies(), [""; 0]);
    assert_eq!(cache.only().expires(), 1);
    cache.put(session);
    assert_eq!(read(&client, "/get/a").await, "\"1\"");
}
