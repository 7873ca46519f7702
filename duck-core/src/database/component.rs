//! What opening a database has in common, whatever its kind.

use std::future::Future;
use std::sync::Arc;

use http::StatusCode;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolOptions;
use sqlx::{Connection, Database};
use tokio::time::timeout;

#[cfg(feature = "cli")]
use crate::ExitCode;
use crate::app::beside::LAST_MOMENT;
#[cfg(feature = "cli")]
use crate::app::cli::{print, refuse};
use crate::app::setup::Setup;
use crate::error::{Or500, Result};
use crate::settings::Settings;

/// How a database of this kind is connected to.
pub(super) type Options<K> = <<K as Database>::Connection as Connection>::Options;

/// A kind of database.
pub(super) trait Kind: Database {
    /// How the database of `DATABASE_URL` is opened.
    fn options(settings: &Settings) -> Result<Options<Self>>;

    /// How many connections there are, and how long a view waits for one.
    fn pool() -> PoolOptions<Self>;

    /// Runs the migrations that were not run yet. Of two processes that start at once, the second one waits for the
    /// first.
    fn migrate(
        options: Options<Self>,
        migrations: Arc<Migrator>,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// Opens the database when the site starts.
pub(super) async fn start<K: Kind>(setup: &mut Setup<'_>, migrations: Migrator) -> Result<()> {
    let options = K::options(setup.settings())?;
    let migrations = Arc::new(migrations);
    if setup.is_serving() {
        migrate::<K>(options.clone(), Arc::clone(&migrations)).await?;
    }
    let pool = K::pool().connect_lazy_with(options.clone());
    let closing = pool.clone();
    setup.on_stop(move || {
        let pool = closing.clone();
        // A task that a view has started may keep a connection for ever.
        async move { drop(timeout(LAST_MOMENT, pool.close()).await) }
    });
    let asked = pool.clone();
    setup.ready_check("database", move || {
        let pool = asked.clone();
        async move {
            pool.acquire().await?; // which asks one that was idle whether it is still good
            Ok(())
        }
    });
    setup.insert(pool);
    setup.error_status(status);
    #[cfg(feature = "cli")]
    setup.command(
        "migrate",
        "Bring the database up to date",
        move |arguments| {
            let (options, migrations) = (options.clone(), Arc::clone(&migrations));
            async move {
                if !arguments.is_empty() {
                    return Ok(refuse("error: `migrate` takes no arguments\n"));
                }
                migrate::<K>(options, migrations).await?;
                print("The database is up to date.\n").map(|()| ExitCode::SUCCESS)
            }
        },
    );
    Ok(())
}

async fn migrate<K: Kind>(options: Options<K>, migrations: Arc<Migrator>) -> Result<()> {
    let migrated = K::migrate(options, migrations).await;
    migrated.or_500("migrating DATABASE_URL")
}

/// What an error of the database is to the visitor, where a view passes it on with `?`.
fn status(error: &sqlx::Error) -> Option<StatusCode> {
    match error {
        sqlx::Error::RowNotFound => Some(StatusCode::NOT_FOUND),
        sqlx::Error::PoolTimedOut => Some(StatusCode::SERVICE_UNAVAILABLE),
        _ => None, // 500
    }
}
