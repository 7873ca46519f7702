//! A database as a part of a site: SQLite.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::Path;

use duck::database::sqlite;
use duck::prelude::*;
use duck::sqlx::migrate::Migrator;
use duck::sqlx::{self, SqlitePool};
use duck::testing::TestClient;
use tempfile::TempDir;

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
