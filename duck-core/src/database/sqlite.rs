//! SQLite.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::error::DatabaseError;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, Sqlite, SqliteConnection};

use super::component::{Kind, start};
use crate::app::component::Component;
use crate::app::setup::Setup;
use crate::error::{Or500, Result};
use crate::settings::Settings;

/// SQLite has one writer at a time; more connections than this would only wait for each other.
const CONNECTIONS: u32 = 4;
/// How long a statement waits for another writer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a start waits for another process that is migrating the same database.
const MIGRATION_PATIENCE: Duration = Duration::from_secs(60);

/// SQLite, as a part of a site: the file of the setting `DATABASE_URL`, such as `"sqlite:site.db"`. A relative one is
/// beside `settings.toml`, and one that is missing is made.
///
/// ```no_run
/// use duck::prelude::*;
/// use duck::sqlx::{self, SqlitePool};
///
/// async fn count(request: Request) -> Result<String> {
///     let count: i64 = sqlx::query_scalar("SELECT count(*) FROM notes")
///         .fetch_one(request.state::<SqlitePool>()?)
///         .await?;
///     Ok(format!("{count} notes"))
/// }
///
/// # let migrations = sqlx::migrate::Migrator::DEFAULT;
/// let app = App::from_settings("settings.toml")
///     .with(duck::database::sqlite(migrations)); // sqlx::migrate!(): the files of migrations/
/// ```
///
/// Before the first request it runs the migrations that were not run yet, all of them in one transaction. Of processes
/// that start at once, one migrates and the others wait, up to a minute. `./mysite migrate` does the same. The other
/// commands (`check`, `routes`) do not touch the database.
///
/// Views have `request.state::<SqlitePool>()?`: four connections, which are made when they are needed, with foreign keys
/// checked, a write-ahead log (readers do not wait for the writer), and five seconds to wait for another writer. A
/// component that comes later has it by [`Setup::get`]. An error of sqlx that a view passes on with `?` is a 404 for
/// `RowNotFound`, a 503 where no connection was free, and else a 500.
///
/// `/-/ready` ([`Health`](crate::Health)) asks it: the check is named `database`.
///
/// A transaction that reads first and writes later begins with `pool.begin_with("BEGIN IMMEDIATE")`: after a plain
/// `BEGIN`, SQLite refuses the write where somebody else has written in between.
///
/// # Errors
///
/// The site does not start where `DATABASE_URL` is not set, or is no file of SQLite; a database in memory would be another
/// one for each connection; nor where it lies in a folder whose files are served. Neither does it where a migration fails, or one that was run has been changed since.
pub fn sqlite(migrations: Migrator) -> impl Component {
    async move |setup: &mut Setup<'_>| start::<Sqlite>(setup, migrations).await
}

impl Kind for Sqlite {
    fn options(settings: &Settings) -> Result<SqliteConnectOptions> {
        let url: String = settings.get("DATABASE_URL")?.unwrap_or_default();
        if !url.starts_with("sqlite:") || url.contains(":memory:") || url.contains("mode=memory") {
            let right = "takes the file of an SQLite database: \"sqlite:site.db\"";
            return Err(settings.error("DATABASE_URL", right).into());
        }
        let options: SqliteConnectOptions = url.parse().or_500("reading DATABASE_URL")?;
        let file = settings.resolve(options.get_filename());
        settings.keep_private("DATABASE_URL", &file)?;
        Ok(options
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .foreign_keys(true)
            .busy_timeout(PATIENCE))
    }

    fn pool() -> PoolOptions<Self> {
        PoolOptions::new().max_connections(CONNECTIONS)
    }

    async fn migrate(options: SqliteConnectOptions, migrations: Arc<Migrator>) -> Result<()> {
        let options = options.busy_timeout(MIGRATION_PATIENCE);
        let mut connection = connect(&options).await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        // `run`, with a connection, gives a future that a command cannot take (it is not provably `Send`).
        migrations
            .run_direct(None, &mut *transaction, false)
            .await?;
        transaction.commit().await?;
        Ok(connection.close().await?)
    }
}

/// SQLite does not wait for another process while it switches the write-ahead log on, as the first to open a new file
/// do: that is tried again.
async fn connect(options: &SqliteConnectOptions) -> sqlx::Result<SqliteConnection> {
    let start = Instant::now();
    loop {
        match options.connect().await {
            Err(error) if is_busy(&error) && start.elapsed() < MIGRATION_PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            connected => return connected,
        }
    }
}

/// Whether somebody else has the database at this moment: `SQLITE_BUSY`, <https://sqlite.org/rescode.html#busy>.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    let code = code.and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}
