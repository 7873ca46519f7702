//! A small site over the database, and its visitors.

use duck::testing::{TestClient, TestResponse};
use duck::{App, Request, Result, Settings, path};
use duck_session::SessionMiddleware;

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

pub(crate) fn app(settings: Settings) -> App {
    App::new(settings).with(SessionMiddleware::new()).urls([
        path("/add", add),
        path("/get", get),
        path("/login/<user>", login),
        path("/logout", logout),
        path("/user", user),
        path("/plain", async |_: Request| "plain"),
    ])
}

pub(crate) async fn visitor(settings: Settings) -> TestClient {
    TestClient::start(app(settings)).await
}

/// Why a site with these settings does not start.
pub(crate) async fn refusal(settings: Settings) -> String {
    let Err(error) = app(settings).start().await else {
        panic!("the site starts");
    };
    error.chain()
}

async fn add(request: Request) -> Result<String> {
    let count = request
        .session
        .update("count", |n: &mut u64| *n += 1)
        .await?;
    Ok(count.to_string())
}

async fn get(request: Request) -> Result<String> {
    let count: Option<u64> = request.session.get("count").await?;
    Ok(count.unwrap_or_default().to_string())
}

async fn login(request: Request, user: String) -> Result<String> {
    request.session.login(&user).await?;
    Ok("in".to_owned())
}

async fn logout(request: Request) -> Result<String> {
    request.session.logout().await?;
    Ok("out".to_owned())
}

async fn user(request: Request) -> Result<String> {
    let user = request.session.user().await?;
    Ok(user.unwrap_or_else(|| "nobody".to_owned()))
}

/// The body of a page that is as it should be.
pub(crate) async fn read(visitor: &TestClient, path: &str) -> String {
    let response = visitor.get(path).await;
    assert_eq!(response.status(), 200, "{path}: {}", response.text());
    response.text().to_owned()
}

pub(crate) fn is_503(response: &TestResponse) {
    assert_eq!(response.status(), 503, "{}", response.text());
    assert!(response.header("retry-after").is_some());
    for secret in ["s3cret", "postgres", "127.0.0.1", "duck_sessions"] {
        assert!(!response.text().contains(secret), "{}", response.text());
    }
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
