//! A small site over Redis, and its visitors.

use duck::Settings;
use duck::testing::{TestClient, TestResponse};

use crate::pages;
pub(crate) use crate::pages::{read, visitor};

pub(crate) fn settings(url: impl serde::Serialize) -> Settings {
    let key = "a key for tests of more than thirty-two bytes";
    crate::server::settings(url)
        .with("SECRET_KEY", key)
        .with("SESSION_STORAGE", "RedisCache")
}

/// The page's text, once the site asks its storage again.
pub(crate) async fn read_again(client: &TestClient, path: &str) -> String {
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(40);
    while client.get("/user").await.status() != 200 && std::time::Instant::now() < patience {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    read(client, path).await
}

/// A storage that failed, told without a cookie and without a word on what failed.
#[track_caller]
pub(crate) fn assert_unavailable(response: &TestResponse) {
    pages::assert_unavailable(response, &["redis", "Redis", "127.0.0.1"]);
}
