//! The site's database: SQLite, through sqlx. The tables are those of `migrations/`.

use std::time::Duration;

use duck::ExitCode;
use duck::prelude::*;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};

/// The kind of database.
pub type Db = sqlx::Sqlite;
/// Its connections: `request.state::<Pool>()?` in a view.
pub type Pool = sqlx::Pool<Db>;
/// What [`begin`] begins.
pub type Transaction = sqlx::Transaction<'static, Db>;

/// The files of `migrations/`, built into the program.
static MIGRATIONS: Migrator = sqlx::migrate!();

/// SQLite has one writer at a time; more connections than this would only wait for each other.
const CONNECTIONS: u32 = 4;
/// How long a statement waits for another writer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a start waits for another process that is migrating the same database.
const MIGRATION_PATIENCE: Duration = Duration::from_secs(60);

/// Opens the database of `DATABASE_URL`, and brings it up to date before the site serves.
///
/// The other commands (`routes`, `check`) do not touch it, so they work without one.
pub async fn database(setup: &mut Setup<'_>) -> Result<()> {
    let options = options(setup.settings())?;
    if setup.is_serving() {
        migrate(&options).await.or_500("migrating DATABASE_URL")?;
    }
    let pool = sqlx::pool::PoolOptions::new()
        .max_connections(CONNECTIONS)
        .connect_lazy_with(options.clone());
    let closing = pool.clone();
    setup.on_stop(move || {
        let pool = closing.clone();
        async move { pool.close().await }
    });
    setup.insert::<Pool>(pool);
    setup.error_status(status);
    setup.command(
        "migrate",
        "Bring the database up to date",
        move |arguments| {
            let options = options.clone();
            async move {
                if !arguments.is_empty() {
                    eprintln!("error: `migrate` takes no arguments");
                    return Ok(ExitCode::from(2));
                }
                migrate(&options).await.or_500("migrating DATABASE_URL")?;
                println!("The database is up to date.");
                Ok(ExitCode::SUCCESS)
            }
        },
    );
    Ok(())
}

/// What an error of the database is to the visitor, where a view passes it on with `?`.
fn status(error: &sqlx::Error) -> Option<StatusCode> {
    match error {
        sqlx::Error::RowNotFound => Some(StatusCode::NOT_FOUND),
        sqlx::Error::PoolTimedOut => Some(StatusCode::SERVICE_UNAVAILABLE),
        _ => None, // 500
    }
}

/// A transaction that may write. What it did is kept by `commit`, and undone where it is dropped before.
///
/// # Errors
/// When there is no connection, or another writer keeps the database for too long.
pub async fn begin(pool: &Pool) -> sqlx::Result<Transaction> {
    // A plain BEGIN that reads first, and writes after another writer has, fails at once.
    pool.begin_with("BEGIN IMMEDIATE").await
}

fn options(settings: &Settings) -> Result<SqliteConnectOptions> {
    let url: String = settings.get("DATABASE_URL")?.unwrap_or_default();
    if !url.starts_with("sqlite:") || url.contains(":memory:") || url.contains("mode=memory") {
        let right = "takes the file of an SQLite database: \"sqlite:site.db\"";
        return Err(settings.error("DATABASE_URL", right).into());
    }
    let options: SqliteConnectOptions = url.parse().or_500("reading DATABASE_URL")?;
    let file = settings.resolve(options.get_filename()); // a relative one is beside settings.toml
    Ok(options
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal) // readers do not wait for the writer
        .foreign_keys(true)
        .busy_timeout(PATIENCE))
}

/// Runs the migrations that were not run yet: all of them or none. Of two processes that start at once,
/// the second one waits for the first.
async fn migrate(options: &SqliteConnectOptions) -> Result<()> {
    let options = options.clone().busy_timeout(MIGRATION_PATIENCE);
    let mut connection = options.connect().await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    // `run`, with a connection, gives a future that a command cannot take (it is not provably `Send`).
    MIGRATIONS
        .run_direct(None, &mut *transaction, false)
        .await?;
    transaction.commit().await?;
    Ok(connection.close().await?)
}
