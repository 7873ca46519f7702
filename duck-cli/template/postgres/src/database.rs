//! The site's database: PostgreSQL, through sqlx. The tables are those of `migrations/`.

use std::time::Duration;

use duck::ExitCode;
use duck::prelude::*;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

/// The kind of database.
pub type Db = sqlx::Postgres;
/// Its connections: `request.state::<Pool>()?` in a view.
pub type Pool = sqlx::Pool<Db>;
/// What [`begin`] begins.
pub type Transaction = sqlx::Transaction<'static, Db>;

/// The files of `migrations/`, built into the program.
static MIGRATIONS: Migrator = sqlx::migrate!();

/// As many for each process. A server of PostgreSQL takes 100 unless it is told otherwise.
const CONNECTIONS: u32 = 10;
/// How long a view waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the database of `DATABASE_URL`, and brings it up to date before the site serves.
///
/// The other commands (`routes`, `check`) do not touch it, so they work while it is down.
pub async fn database(setup: &mut Setup<'_>) -> Result<()> {
    let options = options(setup.settings())?;
    if setup.is_serving() {
        migrate(&options).await.or_500("migrating DATABASE_URL")?;
    }
    let pool = sqlx::pool::PoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
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

/// A transaction. What it did is kept by `commit`, and undone where it is dropped before.
///
/// # Errors
/// When there is no connection.
pub async fn begin(pool: &Pool) -> sqlx::Result<Transaction> {
    pool.begin().await
}

fn options(settings: &Settings) -> Result<PgConnectOptions> {
    let url: String = settings.get("DATABASE_URL")?.unwrap_or_default();
    if !url.starts_with("postgres:") && !url.starts_with("postgresql:") {
        let right = "takes the URL of a PostgreSQL database: \"postgres://host/name\"";
        return Err(settings.error("DATABASE_URL", right).into());
    }
    url.parse().or_500("reading DATABASE_URL")
}

/// Runs the migrations that were not run yet, each in a transaction. Of two processes that start at once,
/// the second one waits for the first.
async fn migrate(options: &PgConnectOptions) -> Result<()> {
    let mut connection = options.connect().await?;
    // `run`, with a connection, gives a future that a command cannot take (it is not provably `Send`).
    MIGRATIONS.run_direct(None, &mut connection, false).await?;
    Ok(connection.close().await?)
}
