//! PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Postgres};

use super::component::{Kind, start};
use crate::app::component::Component;
use crate::app::setup::Setup;
use crate::error::{Or500, Result};
use crate::settings::Settings;

/// As many for each process. A server of PostgreSQL takes 100 unless it is told otherwise.
const CONNECTIONS: u32 = 10;
/// How long a view waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// PostgreSQL, as a part of a site: the database of the setting `DATABASE_URL`, such as `"postgres://host/name"`.
///
/// ```no_run
/// use duck::prelude::*;
/// use duck::sqlx::{self, PgPool};
///
/// async fn count(request: Request) -> Result<String> {
///     let count: i64 = sqlx::query_scalar("SELECT count(*) FROM notes")
///         .fetch_one(request.state::<PgPool>()?)
///         .await?;
///     Ok(format!("{count} notes"))
/// }
///
/// # let migrations = sqlx::migrate::Migrator::DEFAULT;
/// let app = App::from_settings("settings.toml")
///     .with(duck::database::postgres(migrations)); // sqlx::migrate!(): the files of migrations/
/// ```
///
/// Before the first request it runs the migrations that were not run yet, each in a transaction. Of processes that start
/// at once, one migrates and the others wait. `./mysite migrate` does the same. The other commands (`check`, `routes`)
/// do not touch the database.
///
/// Views have `request.state::<PgPool>()?`: ten connections for each process, which are made when they are needed. A
/// component that comes later has it by [`Setup::get`]. An error of sqlx that a view passes on with `?` is a 404 for
/// `RowNotFound`, a 503 where no connection was free for five seconds, and else a 500. `/-/ready`
/// ([`Health`](crate::Health)) asks it: the check is named `database`.
///
/// # Errors
///
/// The site does not start where `DATABASE_URL` is not set, or is no URL of PostgreSQL; where the server cannot be
/// reached; and where a migration fails, or one that was run has been changed since.
pub fn postgres(migrations: Migrator) -> impl Component {
    async move |setup: &mut Setup<'_>| start::<Postgres>(setup, migrations).await
}

impl Kind for Postgres {
    fn options(settings: &Settings) -> Result<PgConnectOptions> {
        let url: String = settings.get("DATABASE_URL")?.unwrap_or_default();
        if !url.starts_with("postgres:") && !url.starts_with("postgresql:") {
            let right = "takes the URL of a PostgreSQL database: \"postgres://host/name\"";
            return Err(settings.error("DATABASE_URL", right).into());
        }
        url.parse().or_500("reading DATABASE_URL")
    }

    fn pool() -> PoolOptions<Self> {
        PoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
    }

    async fn migrate(options: PgConnectOptions, migrations: Arc<Migrator>) -> Result<()> {
        let mut connection = options.connect().await?;
        // `run`, with a connection, gives a future that a command cannot take (it is not provably `Send`).
        migrations.run_direct(None, &mut connection, false).await?;
        Ok(connection.close().await?)
    }
}
