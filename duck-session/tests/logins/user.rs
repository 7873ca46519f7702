//! `request.user()`.

use duck::prelude::*;
use duck::testing::TestClient;
use duck_session::SessionMiddleware;

use crate::support::{User, Users, bare, log_in_ada, settings, site};

async fn four_times(request: Request) -> Result<String> {
    let (one, two) = tokio::try_join!(request.user::<User>(), async {
        request.clone().user::<User>().await
    })?;
    let three = request.user().await?;
    assert!(one == two && two == three);
    Ok(one.map_or_else(|| "nobody".to_owned(), |user| user.name))
}

#[tokio::test]
async fn a_user_is_looked_up_once_a_request() {
    let users = Users::ada().await;
    let app = site(settings(), &users)
        .urls([path("/four", four_times).middleware(duck::auth::login_required)]);
    let client = TestClient::start(app).await;
    log_in_ada(&client).await;
    users.table().lookups = 0;
    assert_eq!(client.get("/four").await.text(), "ada");
    assert_eq!(users.table().lookups, 1);
    assert_eq!(client.get("/four").await.text(), "ada");
    assert_eq!(users.table().lookups, 2, "and again for the next");
}

#[tokio::test]
async fn nobody_costs_no_lookup_and_no_session() {
    let users = Users::ada().await;
    let client = TestClient::start(site(settings(), &users)).await;
    let response = client.get("/").await;
    assert_eq!(response.text(), "nobody");
    assert_eq!(response.set_cookies(), [""; 0]);
    assert_eq!(response.header("vary"), Some("Cookie"));
    assert_eq!(users.table().lookups, 0);
}

async fn other_type(request: Request) -> Result<String> {
    let user: Option<String> = request.user().await?;
    Ok(format!("{user:?}"))
}

/// What an error page says in development.
async fn cause(app: App, path: &str) -> String {
    let client = TestClient::start(app.setting("DEBUG", true)).await;
    client.login(1).await;
    let response = client.get(path).await;
    assert_eq!(response.status(), 500);
    response.text().to_owned()
}

#[tokio::test]
async fn a_user_of_another_type_is_an_error_that_names_both() {
    let users = Users::ada().await;
    let app = bare(settings(), &users).urls([path("/", other_type)]);
    let page = cause(app, "/").await;
    assert!(
        page.contains("::User") && page.contains("alloc::string::String"),
        "{page}"
    );
}

#[tokio::test]
async fn a_site_without_accounts_says_what_is_missing() {
    let app = App::new(settings()).with(SessionMiddleware::new());
    let page = cause(app.urls([path("/", other_type)]), "/").await;
    assert!(page.contains("the site has no accounts: add"), "{page}");
}

async fn changes_hands(request: Request) -> Result<String> {
    let before: Option<User> = request.user().await?;
    duck::auth::login_as(&request, 2).await?;
    let after: Option<User> = request.user().await?;
    duck::auth::logout(&request).await?;
    let last: Option<User> = request.user().await?;
    let names =
        [before, after, last].map(|user| user.map_or("nobody".to_owned(), |user| user.name));
    Ok(names.join(" "))
}

#[tokio::test]
async fn a_login_within_a_request_is_seen_by_what_follows() {
    let users = Users::ada().await;
    users.add("bob", "");
    let app = bare(settings(), &users).urls([path("/", changes_hands)]);
    let client = TestClient::start(app).await;
    client.login(1).await;
    assert_eq!(client.get("/").await.text(), "ada bob nobody");
}
