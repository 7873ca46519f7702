//! A database as a part of a site: SQLite.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use duck::Health;
use duck::database::sqlite;
use duck::http::{Body, Connection};
use duck::prelude::*;
use duck::sqlx::migrate::Migrator;
use duck::sqlx::pool::PoolConnection;
use duck::sqlx::{self, Sqlite, SqlitePool};
use duck::testing::TestClient;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

/// A folder of a site, with a folder of migrations.
fn folder(migrations: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("migrations")).unwrap();
    for (name, sql) in migrations {
        std::fs::write(folder.path().join("migrations").join(name), sql).unwrap();
    }
    folder
}

const NOTES: (&str, &str) = (
    "0001_notes.sql",
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL); INSERT INTO notes VALUES (7, 'Bread');",
);

async fn app(folder: &Path, url: &str) -> App {
    let migrations = Migrator::new(folder.join("migrations")).await.unwrap();
    App::new(Settings::default().in_folder(folder))
        .setting("DATABASE_URL", url)
        .with(sqlite(migrations))
        .urls([
            path("/notes/<id>", note),
            path("/add", add).methods([POST]),
            path("/pragma/<name>", pragma),
        ])
}

async fn note(request: Request, id: i64) -> Result<String> {
    let title = sqlx::query_scalar("SELECT title FROM notes WHERE id = $1").bind(id);
    Ok(title.fetch_one(request.state::<SqlitePool>()?).await?)
}

async fn add(request: Request) -> Result<String> {
    let added = sqlx::query("INSERT INTO notes (title) VALUES ($1)").bind(Some("Milk"));
    added.execute(request.state::<SqlitePool>()?).await?;
    Ok("added".to_owned())
}

async fn pragma(request: Request, name: String) -> Result<String> {
    let (sql, pool) = (
        sqlx::AssertSqlSafe(format!("PRAGMA {name}")),
        request.state::<SqlitePool>()?,
    );
    if name == "journal_mode" {
        return Ok(sqlx::query_scalar(sql).fetch_one(pool).await?);
    }
    let value: i64 = sqlx::query_scalar(sql).fetch_one(pool).await?;
    Ok(value.to_string())
}

/// Why a site with this `DATABASE_URL` does not start.
async fn refusal(folder: &Path, url: &str) -> String {
    let Err(error) = app(folder, url).await.start().await else {
        panic!("a site with DATABASE_URL = {url:?} starts");
    };
    format!("{error:?}")
}

#[tokio::test]
async fn tables_are_there_at_the_first_request_and_what_is_in_them_stays() {
    let folder = folder(&[NOTES]);
    let site = TestClient::start(app(folder.path(), "sqlite:site.db").await).await;
    assert_eq!(site.get("/notes/7").await.text(), "Bread");
    assert_eq!(site.post("/add").await.status(), 200);
    assert!(
        folder.path().join("site.db").exists(),
        "beside settings.toml"
    );
    let later = ("0002_tags.sql", "ALTER TABLE notes ADD COLUMN tag TEXT");
    std::fs::write(folder.path().join("migrations").join(later.0), later.1).unwrap();
    let site = TestClient::start(app(folder.path(), "sqlite:site.db").await).await;
    assert_eq!(site.get("/notes/8").await.text(), "Milk");
}

#[tokio::test]
async fn a_row_that_is_not_there_is_a_404_and_other_errors_are_the_sites() {
    let folder = folder(&[NOTES]);
    let site = TestClient::start(app(folder.path(), "sqlite:site.db").await).await;
    assert_eq!(site.get("/notes/99").await.status(), 404);
    assert_eq!(site.get("/notes/bread").await.status(), 404);
    assert_eq!(site.get("/pragma/1").await.status(), 500);
}

#[tokio::test]
async fn foreign_keys_count_and_readers_do_not_wait() {
    let folder = folder(&[NOTES]);
    let site = TestClient::start(app(folder.path(), "sqlite:site.db").await).await;
    assert_eq!(site.get("/pragma/foreign_keys").await.text(), "1");
    assert_eq!(site.get("/pragma/journal_mode").await.text(), "wal");
    assert_eq!(site.get("/pragma/busy_timeout").await.text(), "5000");
}

#[tokio::test]
async fn of_sites_that_start_at_once_one_migrates() {
    let folder = folder(&[NOTES]);
    let start = async || {
        let site = TestClient::start(app(folder.path(), "sqlite:site.db").await).await;
        site.get("/notes/7").await.text().to_owned()
    };
    let started = tokio::join!(start(), start(), start(), start());
    assert_eq!(
        <[String; 4]>::from(started),
        ["Bread"; 4].map(str::to_owned)
    );
}

/// Connections that views keep from the others.
#[derive(Default)]
struct Held(Mutex<Vec<PoolConnection<Sqlite>>>);

async fn hold_all(request: Request) -> Result<&'static str> {
    let pool = request.state::<SqlitePool>()?;
    for _ in 0..pool.options().get_max_connections() {
        let connection = pool.acquire().await?;
        request.state::<Held>()?.0.lock().unwrap().push(connection);
    }
    Ok("held")
}

async fn let_go(request: Request) -> Result<&'static str> {
    request.state::<Held>()?.0.lock().unwrap().clear();
    Ok("free")
}

async fn close(request: Request) -> Result<&'static str> {
    request.state::<SqlitePool>()?.close().await;
    Ok("closed")
}

/// Asks until the site is, or is not, ready: what was found out holds for a second.
async fn wait_until_ready_is(site: &TestClient, status: u16) {
    let start = Instant::now();
    loop {
        let answer = site.get("/-/ready").await;
        if answer.status() == status {
            assert_eq!(
                answer.text().contains("database"),
                status == 503,
                "{answer:?}"
            );
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{answer:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_site_is_not_ready_while_no_view_gets_a_connection_to_its_database() {
    let folder = folder(&[NOTES]);
    let app = app(folder.path(), "sqlite:site.db")
        .await
        .with(Health::new());
    let app = app.setting("DEBUG", true).state(Held::default()).urls([
        path("/hold", hold_all),
        path("/let-go", let_go),
        path("/close", close),
    ]);
    let site = TestClient::start(app).await;
    wait_until_ready_is(&site, 200).await;
    assert_eq!(site.get("/hold").await.text(), "held");
    wait_until_ready_is(&site, 503).await;
    assert_eq!(site.get("/let-go").await.text(), "free");
    wait_until_ready_is(&site, 200).await;
    assert_eq!(site.get("/close").await.text(), "closed");
    wait_until_ready_is(&site, 503).await;
    assert_eq!(site.get("/-/live").await.status(), 200);
}

#[tokio::test]
async fn a_connection_that_is_kept_does_not_hold_the_stop() {
    let folder = folder(&[NOTES]);
    let app = app(folder.path(), "sqlite:site.db").await;
    let app = app.state(Held::default()).urls([path("/hold", hold_all)]);
    let site = app.start().await.unwrap();
    let request = http::Request::get("/hold").body(Body::empty()).unwrap();
    let answer = site.respond(request, Connection::default()).await;
    assert_eq!(answer.status(), 200);
    timeout(Duration::from_secs(30), site.stop()).await.unwrap();
}

#[tokio::test]
async fn a_database_in_a_folder_that_is_served_stops_the_start() {
    let folder = folder(&[NOTES]);
    std::fs::create_dir(folder.path().join("public")).unwrap();
    for (url, served) in [
        ("sqlite:public/site.db", "public"),
        ("sqlite:migrations/../public/site.db", "public"),
    ] {
        let app = app(folder.path(), url).await;
        let app = app.urls([duck::files::static_folder("/files/", served)]);
        let error = app.start().await.expect_err("it is served").to_string();
        assert!(error.contains("DATABASE_URL"), "{error}");
    }
    let beside = app(folder.path(), "sqlite:site.db").await;
    let beside = beside.urls([duck::files::static_folder("/files/", "public")]);
    beside.start().await.unwrap();
}

#[tokio::test]
async fn an_address_that_is_no_file_of_sqlite_stops_the_start() {
    let folder = folder(&[NOTES]);
    for url in [
        "",
        "site.db",
        "postgres://localhost/site",
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite:site.db?mode=memory",
        "sqlite:file::memory:?cache=shared",
    ] {
        let said = refusal(folder.path(), url).await;
        assert!(said.contains("DATABASE_URL"), "{url}: {said}");
        assert!(said.contains("\"sqlite:site.db\""), "{url}: {said}");
    }
    let said = refusal(folder.path(), "sqlite:nowhere/at/all.db").await;
    assert!(said.contains("migrating DATABASE_URL"), "{said}");
    let said = refusal(folder.path(), "sqlite:site.db?mode=upside-down").await;
    assert!(said.contains("reading DATABASE_URL"), "{said}");
}

#[tokio::test]
async fn a_migration_that_fails_stops_the_start_and_leaves_nothing_half_done() {
    let broken = (
        "0002_broken.sql",
        "CREATE TABLE tags (id INTEGER); SELECT nonsense;",
    );
    let folder = folder(&[NOTES, broken]);
    let said = refusal(folder.path(), "sqlite:site.db").await;
    assert!(said.contains("migrating DATABASE_URL"), "{said}");
    let right = "CREATE TABLE tags (id INTEGER);";
    std::fs::write(folder.path().join("migrations").join(broken.0), right).unwrap();
    let site = TestClient::start(app(folder.path(), "sqlite:site.db").await).await;
    assert_eq!(site.get("/notes/7").await.text(), "Bread");
}

#[tokio::test]
async fn a_migration_that_was_changed_after_it_was_run_stops_the_start() {
    let folder = folder(&[NOTES]);
    TestClient::start(app(folder.path(), "sqlite:site.db").await).await;
    let changed = "CREATE TABLE notes (id INTEGER);";
    std::fs::write(folder.path().join("migrations").join(NOTES.0), changed).unwrap();
    let said = refusal(folder.path(), "sqlite:site.db").await;
    assert!(said.contains("migrating DATABASE_URL"), "{said}");
}
