//! What `/-/ready` says of the session storage.

use std::time::Duration;

use duck::testing::TestClient;
use duck::{App, Health, Settings};
use duck_session::SessionMiddleware;
use tokio::time::{Instant, advance};

use crate::support::{Op, ScriptedStore, over, settings};

async fn site(store: &ScriptedStore) -> TestClient {
    let settings = settings().with("SESSION_STORAGE", "TestStore");
    TestClient::start(App::new(settings).with(over(store)).with(Health::new())).await
}

async fn status(client: &TestClient, path: &str) -> u16 {
    let answer = client.get(path).await;
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert_eq!(
        answer.header("vary"),
        None,
        "nothing of it depends on a visitor"
    );
    answer.status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn ready_is_a_503_while_the_storage_fails_and_200_again_when_it_does_not() {
    let store = ScriptedStore::default();
    let client = site(&store).await;
    assert_eq!(status(&client, "/-/ready").await, 200);
    assert_eq!(store.calls(), [Op::Load], "one cheap question");
    store.fail(&[Op::Load]);
    for _ in 0..10 {
        advance(Duration::from_millis(1100)).await;
        assert_eq!(status(&client, "/-/ready").await, 503);
        assert_eq!(status(&client, "/-/live").await, 200);
    }
    store.fail(&[]);
    // A storage that kept failing is left alone for ten seconds at most.
    advance(Duration::from_secs(11)).await;
    assert_eq!(status(&client, "/-/ready").await, 200);
}

#[tokio::test(start_paused = true)]
async fn ready_is_a_503_within_the_deadline_while_the_storage_hangs() {
    let store = ScriptedStore::default();
    let client = site(&store).await;
    store.hang(&[Op::Load]);
    let start = Instant::now();
    assert_eq!(status(&client, "/-/ready").await, 503);
    let took = start.elapsed();
    assert!(took <= Duration::from_millis(2010), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_questions_in_a_second_are_one_for_the_storage() {
    let store = ScriptedStore::default();
    let client = site(&store).await;
    for _ in 0..1000 {
        assert_eq!(status(&client, "/-/ready").await, 200);
    }
    assert_eq!(store.calls(), [Op::Load]);
}

#[tokio::test]
async fn sessions_in_memory_and_in_cookies_are_always_ready() {
    for (key, value) in [
        ("SESSION_STORAGE", "InMemoryCache"),
        ("SESSION_ENGINE", "cookie"),
    ] {
        let settings: Settings = settings().with(key, value);
        let app = App::new(settings)
            .with(Health::new())
            .with(SessionMiddleware::new());
        let client = TestClient::start(app).await;
        assert_eq!(status(&client, "/-/ready").await, 200, "{value}");
    }
}
