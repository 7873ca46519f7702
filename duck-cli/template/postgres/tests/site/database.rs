//! A database of a test's own, gone with the test: beside that of `DATABASE_URL`, on the same server.

use std::thread;

use duck::prelude::*;
use duck::testing::TestClient;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use @CRATE_NAME@::database::Pool;

pub struct Database {
    server: PgConnectOptions,
    name: String,
}

impl Database {
    pub async fn new() -> Self {
        let settings = Settings::load("settings.toml").unwrap();
        let url: String = settings.get("DATABASE_URL").unwrap().unwrap();
        let server: PgConnectOptions = url.parse().unwrap();
        let name = format!("test_{}", Uuid::new_v4().simple());
        // That of DATABASE_URL need not be there: `postgres` is on every server.
        let server = server.database("postgres");
        run(&server, format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        Self { server, name }
    }

    /// A visitor's browser: it keeps its cookies.
    pub async fn browser(&self) -> TestClient {
        let url = self.options().to_url_lossy();
        let app = @CRATE_NAME@::app()
            .setting("DATABASE_URL", url.as_str())
            .setting("SESSION_STORAGE", "InMemoryCache");
        TestClient::start(app).await
    }

    /// For what no page shows. The tables are there when the site has started.
    pub async fn pool(&self) -> Pool {
        self.browser().await;
        Pool::connect_with(self.options()).await.unwrap()
    }

    fn options(&self) -> PgConnectOptions {
        self.server.clone().database(&self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let server = self.server.clone();
        // FORCE: the site and the test may still be connected.
        let statement = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        // A test's own thread cannot wait for a future here.
        let dropping = thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            runtime.block_on(run(&server, statement)).unwrap();
        });
        if dropping.join().is_err() && !thread::panicking() {
            panic!("the database {} is left", self.name);
        }
    }
}

async fn run(server: &PgConnectOptions, statement: String) -> sqlx::Result<()> {
    let mut connection: PgConnection = server.connect().await?;
    connection.execute(AssertSqlSafe(statement)).await?;
    connection.close().await
}
