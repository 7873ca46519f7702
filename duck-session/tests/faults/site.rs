//! A small site over a file storage, and its visitors.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use duck::testing::{TestClient, TestResponse};
use duck::{App, Request, Response, Result, Settings, path, text};
use duck_session::{Clock, SessionMiddleware};
use tempfile::TempDir;

use crate::storage::Storage;
use crate::support;
pub(crate) use crate::support::{id, read, with_id};

/// A place for the folder of sessions, gone when the test is over.
pub(crate) struct Place {
    temp: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        Self { temp }
    }

    /// The folder that holds the folder of sessions.
    pub(crate) fn outside(&self) -> &Path {
        self.temp.path()
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.temp.path().join("sessions")
    }
}

/// Without a bound of free space: the disk of a test may be nearly full.
pub(crate) fn settings<S: Storage>(dir: &Path) -> Settings {
    support::settings()
        .with("SESSION_STORAGE", S::NAME)
        .with("SESSION_MIN_FREE", 0)
        .with("SESSION_DIR", dir.to_str().unwrap())
}

/// A visitor of a site that keeps its sessions in `dir`.
pub(crate) async fn visitor<S: Storage>(dir: &Path) -> TestClient {
    TestClient::start(app(settings::<S>(dir), Clock::default())).await
}

pub(crate) fn app(settings: Settings, clock: Clock) -> App {
    App::new(settings)
        .with(SessionMiddleware::new().clock(clock))
        .urls(support::urls())
        .urls([path("/large/<key>/<int:len>", large)])
}

/// Sets a value that nothing compresses.
async fn large(request: Request, key: String, len: usize) -> Result<Response> {
    let value: String = std::iter::repeat_with(fastrand::alphanumeric)
        .take(len)
        .collect();
    request.session.set(&key, value).await?;
    Ok(text("set"))
}

/// The page's text, once the site asks its storage again: after some failures it leaves it alone
/// for a while.
pub(crate) async fn read_again(client: &TestClient, path: &str) -> String {
    let patience = Instant::now() + Duration::from_secs(20);
    while client.get("/user").await.status() != 200 && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    read(client, path).await
}

/// A storage that failed, told without a cookie and without a word on what failed: rules 54 to 58.
#[track_caller]
pub(crate) fn assert_unavailable(response: &TestResponse) {
    assert_eq!(response.status(), 503, "{}", response.text());
    assert!(response.header("retry-after").is_some());
    assert_eq!(response.set_cookies(), [""; 0]);
    for word in ["/tmp", "sessions/", "record", "shard", "v2"] {
        assert!(!response.text().contains(word), "{}", response.text());
    }
}
