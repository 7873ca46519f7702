//! A small site over Redis, and its visitors.

use duck::testing::{TestClient, TestResponse};
use duck::{App, Request, Response, Result, Settings, path, text};
use duck_session::SessionMiddleware;

pub(crate) fn settings(url: impl serde::Serialize) -> Settings {
    let key = "a key for tests of more than thirty-two bytes";
    crate::server::settings(url)
        .with("SECRET_KEY", key)
        .with("SESSION_STORAGE", "RedisCache")
}

pub(crate) async fn visitor(settings: Settings) -> TestClient {
    TestClient::start(app(settings)).await
}

pub(crate) fn app(settings: Settings) -> App {
    App::new(settings).with(SessionMiddleware::new()).urls([
        path("/plain", plain),
        path("/add", add),
        path("/set/<value>", set),
        path("/count", count),
        path("/user", user),
        path("/login/<user>", login),
        path("/logout", logout),
    ])
}

async fn plain(_: Request) -> Result<Response> {
    Ok(text("plain"))
}

async fn add(request: Request) -> Result<Response> {
    let add = |number: &mut u64| *number += 1;
    let sum = request.session.update("sum", add).await?;
    Ok(text(sum.to_string()))
}

async fn set(request: Request, value: String) -> Result<Response> {
    request.session.set("value", value).await?;
    Ok(text("set"))
}

async fn count(request: Request) -> Result<Response> {
    let sum: Option<u64> = request.session.get("sum").await?;
    Ok(text(sum.unwrap_or_default().to_string()))
}

async fn user(request: Request) -> Result<Response> {
    let user = request.session.user().await?;
    Ok(text(user.unwrap_or_else(|| "nobody".to_owned())))
}

async fn login(request: Request, user: String) -> Result<Response> {
    request.session.login(user).await?;
    Ok(text("in"))
}

async fn logout(request: Request) -> Result<Response> {
    request.session.logout().await?;
    Ok(text("out"))
}

/// The page's text, once its status is known to be 200.
pub(crate) async fn read(client: &TestClient, path: &str) -> String {
    let response = client.get(path).await;
    assert_eq!(response.status(), 200, "{path}: {}", response.text());
    response.text().to_owned()
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
    assert_eq!(response.status(), 503, "{}", response.text());
    assert!(response.header("retry-after").is_some());
    assert_eq!(response.set_cookies(), [""; 0]);
    for word in ["redis", "Redis", "127.0.0.1"] {
        assert!(!response.text().contains(word), "{}", response.text());
    }
}
