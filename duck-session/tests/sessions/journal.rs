//! What is counted of sessions, and that nothing in it tells whose they are: rule 62.

use std::collections::BTreeMap;
use std::time::Duration;

use duck_session::Clock;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::support::{Op, ScriptedStore, id, over, read, settings, visit, with_id};

#[tokio::test]
async fn everything_that_happens_to_sessions_is_counted_without_a_name() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _here = metrics::set_default_local_recorder(&recorder);

    let (store, clock) = (ScriptedStore::default(), Clock::manual());
    let settings = settings()
        .with("SESSION_STORAGE", "TestStore")
        .with("SESSION_RENEWAL_INTERVAL", "1 hour");
    let client = visit(settings, over(&store).clock(clock.clone()), []).await;
    read(&client, "/set/card/4111").await;
    read(&client, "/get/card").await;
    read(&client, "/login/grace").await;
    let old = id(&client);
    read(&with_id(&client, &"A".repeat(43)), "/user").await;
    read(&with_id(&client, "../../etc"), "/user").await;
    store.fail(&[Op::Load]);
    assert_eq!(client.get("/user").await.status(), 503);
    store.fail(&[]);
    clock.advance(Duration::from_secs(3600));
    read(&client, "/user").await; // a new id
    read(&client, "/user").await; // which comes back
    clock.advance(Duration::from_secs(60));
    read(&with_id(&client, &old), "/user").await;
    let new = id(&client);
    read(&client, "/logout").await;

    let mut counts = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        assert_eq!(key.key().labels().count(), 0, "{key:?}");
        for secret in ["4111", "card", "grace", &old, &new] {
            assert!(!format!("{key:?}").contains(secret), "{key:?}");
        }
        if let DebugValue::Counter(count) = value {
            counts.insert(key.key().name().to_owned(), count);
        }
    }
    let expected = [
        ("duck_session_created_total", 1),
        ("duck_session_loads_total", 10),
        ("duck_session_login_total", 1),
        ("duck_session_logout_total", 1),
        ("duck_session_malformed_total", 1),
        ("duck_session_renewed_total", 1),
        ("duck_session_store_errors_total", 1),
        ("duck_session_suspicious_replayed_old_id_total", 1),
        ("duck_session_touched_total", 1),
        ("duck_session_unknown_total", 1),
    ];
    let expected = expected.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(counts, BTreeMap::from(expected));
}
