//! `SqliteFile`: `SESSION_STORAGE = "DatabaseCache"` with `sqlite:…`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use duck::testing::TestClient;
use duck::{App, Request, Settings, path};
use duck_session::SessionMiddleware;
use duck_session::store::{Durability, SessionStore, SqliteFile};
use rusqlite::Connection;

use super::{key, next, of, session};

fn settings(folder: &std::path::Path) -> Settings {
    Settings::default()
        .in_folder(folder)
        .with(
            "SECRET_KEY",
            "a key for tests of more than thirty-two bytes",
        )
        .with("SESSION_STORAGE", "DatabaseCache")
        .with("SESSION_DATABASE_URL", "sqlite:sessions.db")
        .with("SESSION_MIN_FREE", 0)
}

fn app(settings: Settings) -> App {
    let add = async |request: Request| -> duck::Result<String> {
        let count = request.session.update("n", |n: &mut u64| *n += 1).await?;
        Ok(count.to_string())
    };
    App::new(settings)
        .with(SessionMiddleware::new())
        .urls([path("/add", add)])
}

#[tokio::test]
async fn a_site_keeps_its_sessions_in_the_file_and_in_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = TestClient::start(app(settings(folder.path()))).await;
    assert_eq!(first.get("/add").await.text(), "1");
    // As another process would have it.
    let second = TestClient::start(app(settings(folder.path()))).await;
    second.set_cookie("session_id", &first.cookie("session_id").unwrap());
    assert_eq!(second.get("/add").await.text(), "2");
    assert_eq!(first.get("/add").await.text(), "3");
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["sessions.db", "sessions.db-shm", "sessions.db-wal"]);
    let mode = fs::metadata(folder.path().join("sessions.db"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_file_that_visitors_could_load_or_that_is_another_database_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let other = Connection::open(folder.path().join("site.db")).unwrap();
    other
        .execute_batch("CREATE TABLE notes (id INTEGER)")
        .unwrap();
    fs::create_dir(folder.path().join("static")).unwrap();
    fs::write(
        folder.path().join("text.db"),
        "not a database at all, and long enough",
    )
    .unwrap();
    for file in [
        "site.db",
        "static/sessions.db",
        "text.db",
        "no/such/folder.db",
    ] {
        let settings =
            settings(folder.path()).with("SESSION_DATABASE_URL", format!("sqlite:{file}"));
        let app = app(settings).urls([duck::files::static_folder("/static/", "static")]);
        let Err(error) = app.start().await else {
            panic!("a site with {file} starts");
        };
        assert!(
            error.chain().contains("SESSION_DATABASE_URL"),
            "{file}: {}",
            error.chain()
        );
    }
    let tables: i64 = other
        .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn those_who_make_the_file_at_once_make_one() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sessions.db");
        let opened: Vec<_> = (0..8)
            .map(|number| {
                let file = file.clone();
                tokio::spawn(async move {
                    let store = SqliteFile::open(file).await.unwrap();
                    assert!(
                        store
                            .create(&session(number), Durability::Crash)
                            .await
                            .unwrap()
                    );
                    store
                })
            })
            .collect();
        let mut stores = Vec::new();
        for opened in opened {
            stores.push(opened.await.unwrap());
        }
        for store in stores {
            for number in 0..8 {
                assert!(store.load(&key(number)).await.unwrap().is_some());
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_is_removed_is_made_again_and_one_put_in_its_place_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let [file, other] = ["sessions.db", "other.db"].map(|name| folder.path().join(name));
    let store = SqliteFile::open(&file).await.unwrap();
    assert!(store.create(&session(1), Durability::Crash).await.unwrap());
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(format!("{}{suffix}", file.display())).unwrap();
    }
    assert!(store.load(&key(1)).await.unwrap().is_none());
    assert!(store.create(&session(2), Durability::Crash).await.unwrap());
    let beside = SqliteFile::open(&other).await.unwrap();
    assert!(
        beside
            .create(&session(3), Durability::PowerCut)
            .await
            .unwrap()
    );
    drop(beside);
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(format!("{}{suffix}", file.display())).unwrap();
    }
    fs::rename(&other, &file).unwrap();
    assert!(store.load(&key(3)).await.unwrap().is_some());
    assert!(store.load(&key(2)).await.unwrap().is_none());
    let old = session(3);
    assert!(
        store
            .remove(old.key(), None, Durability::Crash)
            .await
            .unwrap()
    );
}

/// SQLite would read the log that is left behind as one of the new file's.
#[tokio::test]
async fn a_file_that_is_removed_without_its_log_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    let running = SqliteFile::open(&file).await.unwrap();
    assert!(
        running
            .create(&session(1), Durability::Crash)
            .await
            .unwrap()
    );
    fs::remove_file(&file).unwrap();
    let started = SqliteFile::open(&file).await.unwrap();
    for store in [started, running] {
        assert!(store.load(&key(1)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn at_the_bound_sessions_without_a_user_give_way() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path()).with("SESSION_MAX_SESSIONS", 3);
    let site = TestClient::start(app(settings)).await;
    for _ in 0..20 {
        assert_eq!(site.another().get("/add").await.text(), "1");
    }
    let file = Connection::open(folder.path().join("sessions.db")).unwrap();
    let count: i64 = file
        .query_row("SELECT count(*) FROM sessions", [], |row| row.get(0))
        .unwrap();
    assert!(count <= 3, "{count}");
    let store = SqliteFile::open(folder.path().join("sessions.db"))
        .await
        .unwrap();
    store.clear().await.unwrap();
    for number in 0..3 {
        assert!(
            store
                .create(&of(number, 7), Durability::Crash)
                .await
                .unwrap()
        );
    }
    let full = site.another().get("/add").await;
    assert_eq!(full.status(), 503);
    for number in 0..3 {
        let old = store.load(&key(number)).await.unwrap().unwrap();
        let newer = next(&old, "newer");
        assert!(
            store
                .replace(old.version(), &newer, Durability::Crash)
                .await
                .unwrap()
        );
    }
}
