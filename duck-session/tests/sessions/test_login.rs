//! `TestClient::login`: somebody is logged in without the site's form.

use duck::testing::TestClient;
use duck::{App, Next, Request, Response, Result, StatusCode, text};
use duck_session::SessionMiddleware;

use crate::support::{Op, id, read, scripted, settings, urls, visit};

#[tokio::test]
async fn a_test_logs_in_as_the_form_does() {
    for engine in ["cache", "cookie"] {
        let settings = settings().with("SESSION_ENGINE", engine);
        for client in [
            visit(settings.clone(), SessionMiddleware::new(), []).await,
            visit(settings, SessionMiddleware::new(), []).await.https(),
        ] {
            read(&client, "/set/cart/3").await;
            let name = ["session_id", "__Host-session_id"];
            let cookie = || name.into_iter().find_map(|name| client.cookie(name));
            let before = cookie();
            client.login("ada").await;
            assert!(before.is_some() && cookie() != before, "{engine}: a new id");
            assert_eq!(read(&client, "/user").await, "ada", "{engine}");
            assert_eq!(read(&client, "/get/cart").await, "\"3\"", "{engine}");
            assert_eq!(read(&client.another(), "/user").await, "nobody");
            client.login(7).await;
            assert_eq!(read(&client, "/user").await, "7", "{engine}");
            assert_eq!(read(&client, "/get/cart").await, "nothing", "another's");
            read(&client, "/logout").await;
            assert_eq!(read(&client, "/user").await, "nobody", "{engine}");
        }
    }
}

async fn members_only(request: Request, next: Next<'_>) -> Result<Response> {
    match request.session.user().await? {
        Some(_) => Ok(next.run(request).await),
        None => Ok(text("members only").with_status(StatusCode::FORBIDDEN)),
    }
}

async fn marks(request: Request, next: Next<'_>) -> Result<Response> {
    Ok(next.run(request).await.with_header("x-mark", "1")?)
}

async fn closed(_request: Request, _next: Next<'_>) -> Result<Response> {
    Ok(text("closed").with_status(StatusCode::SERVICE_UNAVAILABLE))
}

#[tokio::test]
async fn a_test_logs_in_where_everything_takes_a_login() {
    let app = App::new(settings())
        .middleware(marks)
        .with(SessionMiddleware::new())
        .middleware(members_only);
    let client = TestClient::start(app.urls(urls())).await;
    assert_eq!(client.get("/user").await.status(), 403);
    client.login("ada").await;
    assert_eq!(read(&client, "/user").await, "ada");
}

#[tokio::test]
#[should_panic(expected = "the site's middleware brings no session")]
async fn a_test_cannot_log_in_where_nothing_reaches_the_session() {
    let app = App::new(settings())
        .middleware(closed)
        .with(SessionMiddleware::new());
    TestClient::start(app.urls(urls())).await.login("ada").await;
}

#[tokio::test]
async fn a_login_that_cannot_be_kept_fails_the_test() {
    for op in [Op::Load, Op::Replace] {
        let (client, cache) = scripted([]).await;
        read(&client, "/set/a/1").await;
        let before = id(&client);
        cache.fail(&[op]);
        let login = async { client.login("ada").await };
        let panic =
            futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(login)).await;
        assert!(panic.is_err(), "{op:?}");
        cache.fail(&[]);
        assert_eq!(id(&client), before, "{op:?}");
    }
}
