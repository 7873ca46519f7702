//! A database of a test's own, gone with the test.

use duck::testing::TestClient;
use tempfile::TempDir;

use @CRATE_NAME@::database::Pool;

pub struct Database(TempDir);

impl Database {
    pub async fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A visitor's browser: it keeps its cookies.
    pub async fn browser(&self) -> TestClient {
        let app = @CRATE_NAME@::app()
            .setting("DATABASE_URL", self.url())
            .setting("SESSION_STORAGE", "InMemoryCache");
        TestClient::start(app).await
    }

    /// For what no page shows. The tables are there when the site has started.
    pub async fn pool(&self) -> Pool {
        self.browser().await;
        Pool::connect(&self.url()).await.unwrap()
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.0.path().join("test.db").display())
    }
}
