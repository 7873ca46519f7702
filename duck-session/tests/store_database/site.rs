//! A small site over the database, and its visitors.

use duck::Settings;
use duck::testing::{TestClient, TestResponse};

use crate::pages::{app, assert_unavailable};
pub(crate) use crate::pages::{read, visitor};

pub(crate) fn settings(url: &str) -> Settings {
    Settings::default()
        .with(
            "SECRET_KEY",
            "a key for tests of more than thirty-two bytes",
        )
        .with("SESSION_STORAGE", "DatabaseCache")
        .with("SESSION_DATABASE_URL", url)
        .with("SESSION_STORE_TIMEOUT", 1)
}

/// Why a site with these settings does not start.
pub(crate) async fn refusal(settings: Settings) -> String {
    let Err(error) = app(settings).start().await else {
        panic!("the site starts");
    };
    error.chain()
}

pub(crate) fn is_503(response: &TestResponse) {
    assert_unavailable(
        response,
        &["s3cret", "postgres", "127.0.0.1", "duck_sessions"],
    );
}

/// Asks again until the page is as it should be: after a pause the storage is asked again.
pub(crate) async fn recovers(visitor: &TestClient, path: &str) -> String {
    for _ in 0..300 {
        let response = visitor.get(path).await;
        if response.status() == 200 {
            return response.text().to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the site does not recover");
}
