//! Users in a table, whose queries Duck writes: `Auth::sqlite`.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use duck::auth::{self, Auth, login_required};
use duck::prelude::*;
use duck::testing::TestClient;
use duck_session::SessionMiddleware;
use sqlx::SqlitePool;
use sqlx::sqlite::SqlitePoolOptions;

const TABLE: &str = "CREATE TABLE members (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash TEXT NOT NULL,
    name TEXT NOT NULL,
    points INTEGER NOT NULL DEFAULT 3
) STRICT; CREATE UNIQUE INDEX members_name ON members (lower(name));";

const PASSWORD: &str = "correct horse";

#[derive(Clone, serde::Serialize, sqlx::FromRow)]
struct Member {
    name: String,
    points: i64,
}

async fn who(request: Request) -> Result<String> {
    let member: Member = request.require_user().await?;
    Ok(format!("{} {}", member.name, member.points))
}

async fn sign_up(request: Request) -> Result<String> {
    let (name, password) = credentials(&request).await?;
    Ok(auth::sign_up(&request, &name, &password).await?.to_string())
}

async fn log_in(request: Request) -> Result<String> {
    let (name, password) = credentials(&request).await?;
    let login = auth::login(&request, &name, &password).await?;
    Ok(login.is_ok().to_string())
}

async fn new_password(request: Request) -> Result<String> {
    let (old, new) = credentials(&request).await?;
    let change = auth::change_password(&request, &old, &new).await?;
    Ok(change.is_ok().to_string())
}

async fn credentials(request: &Request) -> Result<(String, String)> {
    Ok(serde_json::from_slice(&request.bytes().await?)?)
}

async fn as_user(request: Request, id: String) -> Result<&'static str> {
    auth::login_as(&request, id).await?;
    Ok("")
}

async fn site() -> (TestClient, SqlitePool) {
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql(TABLE).execute(&pool).await.unwrap();
    let settings = Settings::default()
        .with(
            "SECRET_KEY",
            "a key for tests of more than thirty-two bytes",
        )
        .with("SESSION_STORAGE", "InMemoryCache");
    let app = App::new(settings)
        .state(pool.clone())
        .with(SessionMiddleware::new())
        .with(Auth::sqlite::<Member>("members"))
        .urls([
            path("/login", log_in).name("login").methods([POST]),
            path("/signup", sign_up).methods([POST]),
            path("/password", new_password).methods([POST]),
            path("/as/<id>", as_user).methods([POST]),
            path("/", who).middleware(login_required),
        ]);
    (TestClient::start(app).await, pool)
}

/// Sends two texts, and gives the answer.
async fn send(client: &TestClient, url: &str, one: &str, two: &str) -> String {
    let body = serde_json::to_vec(&(one, two)).unwrap();
    let page = client.post(url).body("application/json", body).await;
    page.text().to_owned()
}

#[tokio::test]
async fn whoever_signs_up_is_a_row_of_the_table() {
    let (ada, pool) = site().await;
    assert_eq!(send(&ada, "/signup", "Ada", PASSWORD).await, "true");
    assert_eq!(ada.get("/").await.text(), "Ada 3");
    let row: (i64, String) = sqlx::query_as("SELECT id, hash FROM members")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!((row.0, &row.1[..10]), (1, "$argon2id$"));
}

#[tokio::test]
async fn a_name_is_one_in_small_letters_or_large() {
    let (ada, _) = site().await;
    send(&ada, "/signup", "Ada", PASSWORD).await;
    let other = ada.another();
    for name in ["ada", "ADA", "Ada"] {
        assert_eq!(
            send(&other, "/signup", name, PASSWORD).await,
            "false",
            "{name}"
        );
        assert_eq!(
            send(&ada.another(), "/login", name, PASSWORD).await,
            "true",
            "{name}"
        );
    }
    assert_eq!(other.get("/").await.status(), 303);
}

/// A row with the spaces in it would look like the other one, and nobody could log in as it.
#[tokio::test]
async fn a_name_is_one_with_spaces_around_it_or_without() {
    let (ada, _) = site().await;
    assert_eq!(send(&ada, "/signup", " Ada\u{a0}", PASSWORD).await, "true");
    assert_eq!(ada.get("/").await.text(), "Ada 3");
    let other = ada.another();
    assert_eq!(send(&other, "/signup", "Ada ", PASSWORD).await, "false");
    for name in ["Ada", " Ada\u{a0}", "ada  "] {
        assert_eq!(
            send(&ada.another(), "/login", name, PASSWORD).await,
            "true",
            "{name:?}"
        );
    }
}

#[tokio::test]
async fn of_many_who_ask_for_one_name_at_once_one_gets_it() {
    let (ada, pool) = site().await;
    let visitors = [(); 6].map(|()| ada.another());
    let tries = visitors
        .iter()
        .map(|one| send(one, "/signup", "Ada", PASSWORD));
    let answers = futures_util::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| *answer == "true").count(), 1);
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM members")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn sql_in_a_name_is_a_name() {
    let (ada, pool) = site().await;
    let evil = "x'); DROP TABLE members; --";
    send(&ada, "/signup", "Ada", PASSWORD).await;
    for name in [evil, "' OR '1'='1", "%", "a_a", "TABLE"] {
        assert_eq!(
            send(&ada.another(), "/login", name, PASSWORD).await,
            "false",
            "{name}"
        );
    }
    assert_eq!(
        send(&ada.another(), "/signup", evil, PASSWORD).await,
        "true"
    );
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM members")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(count, 2);
}

#[tokio::test]
async fn another_password_ends_the_other_sessions() {
    let (here, _) = site().await;
    send(&here, "/signup", "Ada", PASSWORD).await;
    let elsewhere = here.another();
    send(&elsewhere, "/login", "Ada", PASSWORD).await;
    assert_eq!(
        send(&here, "/password", "wrong horse", "battery staple").await,
        "false"
    );
    assert_eq!(
        send(&here, "/password", PASSWORD, "battery staple").await,
        "true"
    );
    assert_eq!(here.get("/").await.text(), "Ada 3");
    assert_eq!(elsewhere.get("/").await.status(), 303);
    assert_eq!(send(&elsewhere, "/login", "Ada", PASSWORD).await, "false");
    assert_eq!(
        send(&elsewhere, "/login", "Ada", "battery staple").await,
        "true"
    );
}

#[tokio::test]
async fn a_session_of_nobody_in_the_table_is_one_of_nobody() {
    let (ada, pool) = site().await;
    send(&ada, "/signup", "Ada", PASSWORD).await;
    for id in ["2", "ada", "1.0", "-1", "99999999999999999999"] {
        let other = ada.another();
        other.post(&format!("/as/{id}")).await;
        assert_eq!(other.get("/").await.status(), 303, "{id}");
    }
    sqlx::query("DELETE FROM members")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(ada.get("/").await.status(), 303);
}
