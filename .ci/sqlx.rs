//! SQLite twice in one program: through sqlx, and in the storage of the sessions.

use std::str::FromStr;

use duck::prelude::*;
use duck::testing::TestClient;
use duck_session::SessionMiddleware;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

async fn database(setup: &mut Setup<'_>) -> Result<()> {
    let options = SqliteConnectOptions::from_str("sqlite:target/visits.db")?.create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS visits (at TEXT)").execute(&pool).await?;
    setup.insert(pool);
    Ok(())
}

/// Counts all visits in the site's database, and those of this visitor in the session.
async fn visit(request: Request) -> Result<String> {
    let pool = request.state::<SqlitePool>()?;
    sqlx::query("INSERT INTO visits VALUES (sqlite_version())").execute(pool).await?;
    let all: i64 = sqlx::query_scalar("SELECT count(*) FROM visits").fetch_one(pool).await?;
    let yours = request.session.update("visits", |n: &mut u32| *n += 1).await?;
    Ok(format!("{all} visits, {yours} of them yours"))
}

fn app() -> App {
    App::from_settings("settings.toml")
        .setting("SESSION_STORAGE", "DynamicFileCache")
        .setting("SESSION_DIR", "target/sessions-of-the-test")
        .with(database)
        .with(SessionMiddleware::new())
        .urls([path("/", visit)])
}

#[tokio::test]
async fn a_site_uses_sqlx_beside_the_storage_in_sqlite() {
    let ada = TestClient::start(app()).await;
    assert_eq!(ada.get("/").await.text(), "1 visits, 1 of them yours");
    assert_eq!(ada.get("/").await.text(), "2 visits, 2 of them yours");
    assert_eq!(ada.another().get("/").await.text(), "3 visits, 1 of them yours");
    assert!(std::path::Path::new("target/sessions-of-the-test").is_dir());
}
