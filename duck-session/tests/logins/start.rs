//! What keeps a site with logins from starting, or from sending anybody to its login page.

use duck::auth::{Auth, login_required};
use duck::prelude::*;
use duck::testing::TestClient;
use duck_session::SessionMiddleware;

use crate::support::{Users, bare, settings};

async fn why_not(app: App) -> String {
    app.start()
        .await
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default()
}

#[tokio::test]
async fn logins_need_sessions_before_them() {
    let accounts = || Auth::new(|_| Ok(Users::default()));
    for app in [
        App::new(settings()).with(accounts()),
        App::new(settings())
            .with(accounts())
            .with(SessionMiddleware::new()),
    ] {
        let error = why_not(app).await;
        assert_eq!(
            error,
            "logins need sessions: add `SessionMiddleware` before `Auth`"
        );
    }
}

#[tokio::test]
async fn accounts_that_cannot_be_opened_keep_the_site_from_starting() {
    let app = App::new(settings()).with(SessionMiddleware::new());
    let error = why_not(app.with(Auth::new(|setup| {
        let users: &Users = setup.get()?;
        Ok(users.clone())
    })));
    assert!(error.await.contains("support::Users"));
}

#[tokio::test]
async fn a_setting_of_the_wrong_kind_names_itself() {
    let app = bare(settings().with("LOGIN_URL", 7), &Users::default());
    let error = why_not(app).await;
    assert!(error.contains("LOGIN_URL"), "{error}");
}

async fn page(_request: Request) -> &'static str {
    "in"
}

#[tokio::test]
async fn a_login_page_that_is_not_there_is_named() {
    let settings = settings().with("DEBUG", true).with("LOGIN_URL", "log_in");
    let app = bare(settings, &Users::default());
    let app = app.urls([
        path("/", page).middleware(login_required),
        path("/l", page).name("login"),
    ]);
    let client = TestClient::start(app).await;
    let response = client.get("/").await;
    assert_eq!(response.status(), 500);
    let text = response.text();
    assert!(
        text.contains("LOGIN_URL") && text.contains("log_in"),
        "{text}"
    );
}

#[tokio::test]
async fn the_login_page_may_have_any_name() {
    let blueprint = Blueprint::new("users").urls([path("/in", page).name("login")]);
    let app = bare(
        settings().with("LOGIN_URL", "users.login"),
        &Users::default(),
    );
    let client = TestClient::start(app.urls(blueprint).middleware(login_required)).await;
    let response = client.get("/x").await;
    assert_eq!(response.header("location"), Some("/users/in?next=/x"));
    assert_eq!(client.get("/users/in").await.status(), 200);
}
