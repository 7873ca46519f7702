//! Notes, in a database of each test's own.

use duck::App;
use duck::testing::TestClient;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;

struct Database(TempDir);

impl Database {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// A visitor of a process of its own, who is logged in.
    async fn visitor(&self, name: &str) -> TestClient {
        let site = self.site().await;
        log_in(&site, name).await;
        site
    }

    async fn site(&self) -> TestClient {
        TestClient::start(self.app()).await
    }

    fn app(&self) -> App {
        let file = self.0.path().join("test.db");
        example_site::app()
            .setting("DATABASE_URL", format!("sqlite:{}", file.display()))
            .setting("MEDIA_DIR", self.0.path().join("media"))
            .setting("SESSION_STORAGE", "InMemoryCache")
    }
}

/// Logs somebody in, who gets an account where they have none.
async fn log_in(site: &TestClient, name: &str) {
    let form = [("name", name), ("password", "quack, quack")];
    site.post("/sign-up").form(&form).await;
    site.post("/logout").await;
    assert_eq!(site.post("/login").form(&form).await.status(), 303);
}

#[tokio::test]
async fn a_note_is_kept_by_the_database_and_shown_escaped() {
    let database = Database::new();
    let ada = database.visitor("Ada").await;
    let form = [("title", "<b>Bread"), ("body", "'); DROP TABLE notes; --")];
    let note = ada.post("/notes/new").form(&form).follow().await;
    assert!(note.text().contains("&lt;b&gt;Bread") && note.text().contains("DROP TABLE"));
    let later = database.visitor("Ada").await;
    assert!(later.get("/notes/").await.text().contains("&lt;b&gt;Bread"));
}

#[tokio::test]
async fn a_note_is_changed_and_deleted() {
    let database = Database::new();
    let ada = database.visitor("Ada").await;
    let form = [("title", "Bread")];
    let url = ada.post("/notes/new").form(&form).await;
    let url = url.header("location").unwrap().to_owned();
    let (edit, delete) = (format!("{url}/edit"), format!("{url}/delete"));
    assert!(ada.get(&edit).await.text().contains("value=\"Bread\""));
    ada.post(&edit).form(&[("title", "Butter")]).await;
    assert!(ada.get(&url).await.text().contains("<h1>Butter</h1>"));
    assert_eq!(ada.post(&delete).await.header("location"), Some("/notes/"));
    assert_eq!(ada.get(&url).await.status(), 404);
    assert_eq!(ada.post(&delete).await.status(), 404);
}

#[tokio::test]
async fn the_note_of_another_is_not_there() {
    let database = Database::new();
    let ada = database.visitor("Ada").await;
    let answer = ada.post("/notes/new").form(&[("title", "Mine")]).await;
    let url = answer.header("location").unwrap();
    let bob = ada.another();
    log_in(&bob, "Bob").await;
    assert!(!bob.get("/notes/").await.text().contains("Mine"));
    assert_eq!(bob.get(url).await.status(), 404);
    for action in ["edit", "delete"] {
        let answer = bob
            .post(&format!("{url}/{action}"))
            .form(&[("title", "Bob's")])
            .await;
        assert_eq!(answer.status(), 404, "{action}");
    }
    assert!(ada.get(url).await.text().contains("Mine"));
}

#[tokio::test]
async fn a_note_without_a_title_is_asked_for_again() {
    let database = Database::new();
    let ada = database.visitor("Ada").await;
    for title in [" ".to_owned(), "x".repeat(201)] {
        let form = [("title", title.as_str()), ("body", "kept <b>")];
        let page = ada.post("/notes/new").form(&form).await;
        assert_eq!(page.status(), 422);
        assert!(page.text().contains("aria-invalid=\"true\""));
        assert!(page.text().contains("kept &lt;b&gt;"));
    }
    assert!(!ada.get("/notes/").await.text().contains("/notes/1"));
}

#[tokio::test]
async fn whoever_is_not_logged_in_is_led_to_the_login() {
    let database = Database::new();
    let nobody = database.visitor("Ada").await.another();
    for path in ["/notes/", "/notes/new", "/notes/1", "/notes/1/edit"] {
        let answer = nobody.get(path).await;
        let login = format!("/login?next={path}");
        assert_eq!(answer.header("location"), Some(&*login), "{path}");
    }
}

/// Of a database that was made when a user was known by their name: nobody loses an account or a note.
#[tokio::test]
async fn accounts_and_notes_of_an_older_release_are_still_there() {
    let database = Database::new();
    let file = database.0.path().join("test.db");
    let old = [
        include_str!("../migrations/0001_notes.sql"),
        include_str!("../migrations/0002_users.sql"),
    ];
    let migrations = database.0.path().join("migrations");
    std::fs::create_dir(&migrations).unwrap();
    for (name, text) in ["0001_notes.sql", "0002_users.sql"].iter().zip(old) {
        std::fs::write(migrations.join(name), text).unwrap();
    }
    let options = SqliteConnectOptions::new().filename(&file);
    let pool = SqlitePool::connect_with(options.create_if_missing(true)).await;
    let pool = pool.unwrap();
    let migrator = sqlx::migrate::Migrator::new(migrations).await.unwrap();
    migrator.run(&pool).await.unwrap();
    let hash = duck::auth::hash("quack, quack").await.unwrap();
    for name in ["Bob", "Ada"] {
        let add = "INSERT INTO users (name, hash) VALUES ($1, $2)";
        let add = sqlx::query(add).bind(name).bind(&hash);
        add.execute(&pool).await.unwrap();
        let add = "INSERT INTO notes (owner, title, body) VALUES ($1, 'The note of ' || $1, '')";
        sqlx::query(add).bind(name).execute(&pool).await.unwrap();
    }
    pool.close().await;

    let site = database.site().await;
    for (name, other) in [("Ada", "Bob"), ("Bob", "Ada")] {
        let visitor = site.another();
        let form = [("name", name), ("password", "quack, quack")];
        assert_eq!(visitor.post("/login").form(&form).await.status(), 303);
        let page = visitor.get("/notes/").await;
        assert!(page.text().contains(&format!("The note of {name}")));
        assert!(!page.text().contains(&format!("The note of {other}")));
    }
}

#[tokio::test]
async fn a_url_of_another_kind_of_database_names_the_setting() {
    for url in ["postgres://localhost/x", "sqlite::memory:", ""] {
        let app = example_site::app().setting("DATABASE_URL", url);
        let error = app.start().await.unwrap_err();
        assert!(error.chain().contains("DATABASE_URL"), "{}", error.chain());
    }
}

#[tokio::test]
async fn nobody_writes_notes_without_end_and_others_go_on() {
    let database = Database::new();
    let app = database.app().setting("DEBUG", false);
    let app = app.setting("SECRET_KEY", "a key of at least thirty-two bytes");
    let ada = TestClient::start(app).await;
    log_in(&ada, "Ada").await;
    let write = async |visitor: &TestClient| {
        let form = [("title", "More")];
        let request = visitor.post("/notes/new").header("accept", "text/html");
        request.form(&form).await
    };
    for n in 0..60 {
        assert_eq!(write(&ada).await.status(), 303, "{n}");
    }
    let refused = write(&ada).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.header("retry-after").is_some());
    let page = refused.text();
    assert!(
        page.contains("too many requests: try again in") && page.contains("Log out Ada"),
        "{page}"
    );
    assert_eq!(
        ada.get("/notes/new").await.status(),
        200,
        "the form is shown"
    );
    // From the same address, but somebody else.
    let bob = ada.another();
    log_in(&bob, "Bob").await;
    assert_eq!(write(&bob).await.status(), 303);
}
