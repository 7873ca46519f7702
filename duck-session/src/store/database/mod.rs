//! [`DatabaseCache`]: sessions in a table of PostgreSQL.

mod address;
mod connection;
mod rows;
mod tls;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use deadpool_postgres::Pool;
use deadpool_postgres::tokio_postgres::Row;
use deadpool_postgres::tokio_postgres::error::SqlState;
use duck::{Error, Result, Settings};

use self::address::Address;
use self::connection::{Leased, Pools, Values, is_out_of_reach};
use self::rows::{Columns, due, limit, numbers, session};
use super::page::WRONG_CURSOR;
use super::{Durability, Page, SessionKey, SessionStore, StoredSession, UserKey, Version};
use crate::settings::{Fsync, SessionSettings};

const URL: &str = "SESSION_DATABASE_URL";

/// The statements that make the table: what `./mysite sessions schema` prints.
pub(crate) const SCHEMA: &str = include_str!("schema.sql");

/// Which schema this program knows, and how the table says which one it has.
const KNOWN_SCHEMA: u32 = 1;
const COMMENT: &str = "Sessions of Duck, schema ";

/// What the comment of the table says, where it is there. `to_regclass` alone knows a table that is just being
/// committed before its comment can be seen.
const FIND: &str = "SELECT obj_description(oid, 'pg_class') FROM pg_class \
     WHERE oid = to_regclass('duck_sessions')";

/// A sweep also meets sessions that were prolonged: after so many rounds the next one goes on.
const SWEEP_ROUNDS: usize = 4;

/// Rows that `clear` deletes with one statement.
const CLEARED: usize = 1000;

/// Keeps sessions in a table of PostgreSQL (13 or newer), which all machines of a site share.
///
/// `SESSION_STORAGE = "DatabaseCache"` opens one with connections of its own for `SESSION_DATABASE_URL`. Each call is one
/// statement, prepared once a connection: a load, an insert, an update of the expected version, a delete. The table
/// `duck_sessions` is made where it is missing and looked at before the first statement.
///
/// A site that has a pool of `deadpool-postgres` can hand it over:
///
/// ```no_run
/// use duck_session::SessionMiddleware;
/// use duck_session::store::DatabaseCache;
/// use duck_session::store::deadpool_postgres::{Config, Runtime, tokio_postgres::NoTls};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut config = Config::new();
/// config.url = Some("postgres://me@localhost/site".to_owned());
/// let pool = config.create_pool(Some(Runtime::Tokio1), NoTls)?; // the site's own
///
/// let sessions = SessionMiddleware::new().store("SharedPool", move |_settings| {
///     let store = DatabaseCache::from_pool(pool.clone());
///     async move {
///         store.prepare().await?;
///         Ok(store)
///     }
/// });
/// # Ok(())
/// # }
/// ```
///
/// with `SESSION_STORAGE = "SharedPool"`.
#[derive(Clone)]
pub struct DatabaseCache(Arc<Inner>);

struct Inner {
    pools: Pools,
    /// Whether the table was looked at.
    is_prepared: AtomicBool,
}

impl DatabaseCache {
    /// Connects to `postgres://…`, and makes the table where it is missing. The threads that answer requests have four
    /// connections together, and one at least each.
    ///
    /// ```no_run
    /// use duck_session::store::DatabaseCache;
    ///
    /// # async fn example() -> duck::Result<()> {
    /// let store = DatabaseCache::open("postgres://me@localhost/site?sslmode=disable").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the URL cannot be read, the server cannot be reached or refuses, or the table is not one that this version
    /// of Duck knows.
    pub async fn open(url: &str) -> Result<Self> {
        let own = SessionSettings::default();
        let address = Address::parse(url).map_err(|why| Error::internal(format!("{URL} {why}")))?;
        let store = Self::connecting(address, &own).map_err(Error::internal)?;
        store.prepare().await?;
        Ok(store)
    }

    /// Sessions over a pool that the site has for other things too. Nothing is connected yet.
    ///
    /// The pool's own settings hold: with `synchronous_commit = off` a crash of the server takes back logins and logouts of
    /// the last moments, and `default_transaction_isolation` has to be `read committed`, which it is unless somebody
    /// changed it. A pool whose connections are all in use by views lets sessions wait, for `SESSION_STORE_TIMEOUT` at
    /// most.
    pub fn from_pool(pool: Pool) -> Self {
        Self::over(Pools::OfSite(pool))
    }

    fn over(pools: Pools) -> Self {
        Self(Arc::new(Inner {
            pools,
            is_prepared: AtomicBool::new(false),
        }))
    }

    /// Makes the table where it is missing, and looks whether it is one that this version of Duck knows. Any other call
    /// does it too, where it was not done before.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or refuses, or the table has a newer schema.
    pub async fn prepare(&self) -> Result<()> {
        if !self.find_table().await? {
            let made = self.lease().await?.batch(SCHEMA).await;
            made.map_err(|error| not_made(&error).map_or_else(|| error.into(), Error::internal))?;
            self.find_table().await?;
        }
        self.0.is_prepared.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The store of a site that `is_serving`, or of one of its commands, which only connect when they have to.
    ///
    /// A server that is down does not keep the site from starting: it is asked again with each request. One that says no
    /// does.
    pub(crate) async fn start(
        url: &str,
        own: &SessionSettings,
        settings: &Settings,
        is_serving: bool,
    ) -> Result<Self> {
        let refused = |why: String| settings.error(URL, why);
        let mut address = Address::parse(url).map_err(refused)?;
        address.check = address.check.resolve(|file| settings.resolve(file));
        let store = Self::connecting(address, own).map_err(refused)?;
        if is_serving {
            let prepared = tokio::time::timeout(own.session_store_timeout.0, store.prepare());
            match prepared.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) if !is_out_of_reach(&error) => {
                    let why = format!("the database refuses sessions: {}", error.chain());
                    return Err(refused(why).into());
                }
                Ok(Err(error)) => warn_down(&error.chain()),
                Err(_) => warn_down("SESSION_STORE_TIMEOUT is over"),
            }
        }
        Ok(store)
    }

    fn connecting(address: Address, own: &SessionSettings) -> Result<Self, String> {
        let waits_for_disk = own.session_fsync != Fsync::None;
        let (size, patience) = (own.session_database_pool, own.session_store_timeout.0);
        let pools = Pools::new(address, size, waits_for_disk, patience)?;
        Ok(Self::over(pools))
    }

    /// Whether the table is there. One that this program does not know is an error.
    async fn find_table(&self) -> Result<bool> {
        let rows = self.lease().await?.query(FIND, &[]).await?;
        let Some(row) = rows.first() else {
            return Ok(false);
        };
        let comment = row.try_get::<_, Option<&str>>(0)?.unwrap_or_default();
        match comment.strip_prefix(COMMENT).map(str::parse::<u32>) {
            Some(Ok(schema)) if schema <= KNOWN_SCHEMA => Ok(true),
            Some(Ok(schema)) => Err(Error::internal(format!(
                "the table duck_sessions was made by a later version of Duck: it has schema {schema}, and this program knows {KNOWN_SCHEMA}; update duck-session"
            ))),
            _ => Err(Error::internal(format!(
                "the table duck_sessions is none of Duck's: its comment is not {COMMENT:?} and a number; name another database, or another schema with ?options=-csearch_path%3Dname"
            ))),
        }
    }

    async fn lease(&self) -> Result<Leased> {
        Ok(self.0.pools.lease().await?)
    }

    /// A connection to a server that has the table.
    async fn ready(&self) -> Result<Leased> {
        if !self.0.is_prepared.load(Ordering::Relaxed) {
            self.prepare().await?;
            tracing::info!(target: "duck_session", "the database answers, and has the table of the sessions");
        }
        self.lease().await
    }

    async fn query(&self, statement: &str, values: Values<'_>) -> Result<Vec<Row>> {
        let answer = self.ready().await?.query(statement, values).await;
        answer.map_err(|error| self.failed(error))
    }

    async fn execute(&self, statement: &str, values: Values<'_>) -> Result<u64> {
        let answer = self.ready().await?.execute(statement, values).await;
        answer.map_err(|error| self.failed(error))
    }

    /// A server that came back empty gets its table with the next call.
    fn failed(&self, error: deadpool_postgres::tokio_postgres::Error) -> Error {
        if error.code() == Some(&SqlState::UNDEFINED_TABLE) {
            self.0.is_prepared.store(false, Ordering::Relaxed);
        }
        error.into()
    }
}

/// What to do where the user may not make tables.
fn not_made(error: &deadpool_postgres::tokio_postgres::Error) -> Option<String> {
    let denied = error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE);
    let said = error.as_db_error().map_or("", |error| error.message());
    denied.then(|| format!("{said}: the table duck_sessions has to be made by somebody who may; `./mysite sessions schema` prints the statements, for psql"))
}

fn warn_down(cause: &str) {
    tracing::error!(target: "duck_session", cause, "the database of the sessions does not answer: the site starts without it, and pages that need a session are 503 until it does");
}

/// The examples of the guide's page.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/storages.md")]
struct Guide;

impl SessionStore for DatabaseCache {
    const SHARED: bool = true;

    async fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>> {
        let rows = self.query(rows::LOAD, &[&&key.as_bytes()[..]]).await?;
        Ok(rows.first().map(session).transpose()?)
    }

    /// `durability` is not asked: each commit waits for the server's disk, unless `SESSION_FSYNC = "none"`. One that does
    /// not would be lost when the server crashes, not only when the power does.
    async fn create(&self, session: &StoredSession, _durability: Durability) -> Result<bool> {
        let row = Columns::of(session);
        Ok(self.execute(rows::CREATE, &row.values()).await? > 0)
    }

    async fn replace(
        &self,
        expected: Version,
        session: &StoredSession,
        _durability: Durability,
    ) -> Result<bool> {
        let (row, (count, random)) = (Columns::of(session), numbers(expected));
        let before: Values<'_> = &[&count, &random];
        let values = [&row.values()[..], before].concat();
        Ok(self.execute(rows::REPLACE, &values).await? > 0)
    }

    async fn remove(
        &self,
        key: &SessionKey,
        expected: Option<Version>,
        _durability: Durability,
    ) -> Result<bool> {
        let key = &key.as_bytes()[..];
        let removed = match expected.map(numbers) {
            None => self.execute(rows::REMOVE, &[&key]).await?,
            Some((count, random)) => {
                let values: Values<'_> = &[&key, &count, &random];
                self.execute(rows::REMOVE_VERSION, values).await?
            }
        };
        Ok(removed > 0)
    }

    async fn of_user(&self, user: &UserKey, most: usize) -> Result<Vec<StoredSession>> {
        let user = &user.as_bytes()[..];
        let rows = self.query(rows::OF_USER, &[&user, &limit(most)]).await?;
        Ok(rows.iter().map(session).collect::<Result<_, _>>()?)
    }

    async fn remove_expired(&self, now: u64, most: usize) -> Result<usize> {
        let mut removed = 0;
        for _ in 0..SWEEP_ROUNDS {
            let wanted = limit(most - removed);
            let rows = self.query(rows::SWEEP, &[&due(now), &wanted]).await?;
            let row = rows.first().ok_or_else(|| Error::internal("no answer"))?;
            let (gone, postponed) = (row.try_get::<_, i64>(0)?, row.try_get::<_, i64>(1)?);
            removed += usize::try_from(gone).unwrap_or_default();
            if postponed == 0 || gone + postponed < wanted {
                break;
            }
        }
        Ok(removed)
    }

    async fn page(&self, after: Option<&str>, most: usize) -> Result<Page> {
        let most = most.max(1);
        let after = match after {
            None => Vec::new(),
            Some(cursor) => {
                let key = SessionKey::from_hex(cursor).ok_or(WRONG_CURSOR)?;
                key.as_bytes().to_vec()
            }
        };
        let rows = self.query(rows::PAGE, &[&after, &limit(most)]).await?;
        let sessions = rows.iter().map(session).collect::<Result<Vec<_>, _>>()?;
        let last = sessions.last().filter(|_| sessions.len() == most);
        let next = last.map(|session| session.key().to_hex());
        Ok(Page::new(sessions, next))
    }

    async fn clear(&self) -> Result<()> {
        let most = limit(CLEARED);
        loop {
            let rows = self.query(rows::CLEAR, &[&most]).await?;
            let row = rows.first().ok_or_else(|| Error::internal("no answer"))?;
            if row.try_get::<_, i64>(0)? < most {
                return Ok(());
            }
        }
    }
}

impl fmt::Debug for DatabaseCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseCache").finish_non_exhaustive()
    }
}
