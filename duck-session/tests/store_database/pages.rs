//! The pages of a small site whose sessions are on a server, and its visitors.

use duck::testing::{TestClient, TestResponse};
use duck::{App, Request, Result, Settings, path};
use duck_session::SessionMiddleware;

pub(crate) fn app(settings: Settings) -> App {
    App::new(settings).with(SessionMiddleware::new()).urls([
        path("/plain", async |_: Request| "plain"),
        path("/add", add),
        path("/get", get),
        path("/set/<value>", set),
        path("/user", user),
        path("/login/<user>", login),
        path("/logout", logout),
    ])
}

pub(crate) async fn visitor(settings: Settings) -> TestClient {
    TestClient::start(app(settings)).await
}

async fn add(request: Request) -> Result<String> {
    let add = |count: &mut u64| *count += 1;
    let count = request.session.update("count", add).await?;
    Ok(count.to_string())
}

async fn get(request: Request) -> Result<String> {
    let count: Option<u64> = request.session.get("count").await?;
    Ok(count.unwrap_or_default().to_string())
}

async fn set(request: Request, value: String) -> Result<&'static str> {
    request.session.set("value", value).await?;
    Ok("set")
}

async fn user(request: Request) -> Result<String> {
    let user = request.session.user().await?;
    Ok(user.unwrap_or_else(|| "nobody".to_owned()))
}

async fn login(request: Request, user: String) -> Result<&'static str> {
    request.session.login(&user).await?;
    Ok("in")
}

async fn logout(request: Request) -> Result<&'static str> {
    request.session.logout().await?;
    Ok("out")
}

/// The page's text, once its status is known to be 200.
pub(crate) async fn read(visitor: &TestClient, path: &str) -> String {
    let response = visitor.get(path).await;
    assert_eq!(response.status(), 200, "{path}: {}", response.text());
    response.text().to_owned()
}

/// A storage that failed, told without a cookie and without one of these words on what failed.
#[track_caller]
pub(crate) fn assert_unavailable(response: &TestResponse, secrets: &[&str]) {
    assert_eq!(response.status(), 503, "{}", response.text());
    assert!(response.header("retry-after").is_some());
    assert_eq!(response.set_cookies(), [""; 0]);
    for secret in secrets {
        assert!(!response.text().contains(secret), "{}", response.text());
    }
}
