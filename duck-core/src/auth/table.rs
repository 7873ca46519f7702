//! A site's users in a table of its own, through sqlx.

use std::marker::PhantomData;

use serde::Serialize;
use sqlx::{AssertSqlSafe, Database, FromRow, Pool, SqlSafeStr, SqlStr};

use super::accounts::{Accounts, Credentials};
use super::component::Auth;
use crate::error::Result;

/// What a row of the table is to the site. Its types are those of the kind of database.
struct Table<U, DB: Database> {
    pool: Pool<DB>,
    queries: Queries,
    user: PhantomData<fn() -> U>,
}

struct Queries {
    credentials: SqlStr,
    hash: SqlStr,
    user: SqlStr,
    set_hash: SqlStr,
    add: SqlStr,
}

impl Queries {
    /// The name of the table is a part of the program, as a query is.
    fn of(table: &'static str) -> Self {
        let sql = |text: &str| AssertSqlSafe(text.replace("TABLE", table)).into_sql_str();
        Self {
            credentials: sql("SELECT id, hash FROM TABLE WHERE lower(name) = lower($1)"),
            hash: sql("SELECT hash FROM TABLE WHERE id = $1"),
            user: sql("SELECT * FROM TABLE WHERE id = $1"),
            set_hash: sql("UPDATE TABLE SET hash = $3 WHERE id = $1 AND hash = $2 RETURNING id"),
            add: sql(
                "INSERT INTO TABLE (name, hash) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id",
            ),
        }
    }
}

impl<U, DB: Database> Table<U, DB> {
    fn new(pool: &Pool<DB>, table: &'static str) -> Self {
        Self {
            pool: pool.clone(),
            queries: Queries::of(table),
            user: PhantomData,
        }
    }
}

/// The id of a session, if it can be one of the table: sessions of an older site may hold something else.
fn number(id: &str) -> Option<i64> {
    id.parse().ok()
}

/// The same for each kind of database: what sqlx wants to know of one that it does not know fills more lines.
macro_rules! accounts {
    ($database:ty, $row:ty) => {
        // The compiler would name it where something is no `Accounts`, and only with the feature.
        #[diagnostic::do_not_recommend]
        impl<U> Accounts for Table<U, $database>
        where
            U: for<'r> FromRow<'r, $row> + Serialize + Clone + Send + Sync + Unpin + 'static,
        {
            type User = U;

            async fn credentials(&self, name: &str) -> Result<Option<Credentials>> {
                let query = sqlx::query_as(self.queries.credentials.clone()).bind(name.trim());
                let row: Option<(i64, String)> = query.fetch_optional(&self.pool).await?;
                Ok(row.map(|(id, hash)| Credentials::new(id, hash)))
            }

            async fn hash(&self, id: &str) -> Result<Option<String>> {
                let query = sqlx::query_scalar(self.queries.hash.clone()).bind(number(id));
                Ok(query.fetch_optional(&self.pool).await?)
            }

            async fn user(&self, id: &str) -> Result<Option<U>> {
                let query = sqlx::query_as(self.queries.user.clone()).bind(number(id));
                Ok(query.fetch_optional(&self.pool).await?)
            }

            async fn set_hash(&self, id: &str, old: &str, new: &str) -> Result<bool> {
                let query = sqlx::query_scalar(self.queries.set_hash.clone()).bind(number(id));
                let query = query.bind(old).bind(new);
                let changed: Option<i64> = query.fetch_optional(&self.pool).await?;
                Ok(changed.is_some())
            }

            async fn add(&self, name: &str, hash: &str) -> Result<Option<String>> {
                let query = sqlx::query_scalar(self.queries.add.clone());
                let query = query.bind(name.trim()).bind(hash);
                let id: Option<i64> = query.fetch_optional(&self.pool).await?;
                Ok(id.map(|id| id.to_string()))
            }
        }
    };
}

#[cfg(feature = "sqlite")]
accounts!(sqlx::Sqlite, sqlx::sqlite::SqliteRow);
#[cfg(feature = "postgres")]
accounts!(sqlx::Postgres, sqlx::postgres::PgRow);

impl Auth {
    /// Logins for the users of a table of the site, in the database of [`sqlite`](crate::database::sqlite).
    ///
    /// The table is made by the site's migrations, and has at least these columns; `U` is read from a whole row, and may
    /// leave any of them out:
    ///
    /// ```sql
    /// CREATE TABLE users (
    ///     id INTEGER PRIMARY KEY AUTOINCREMENT,
    ///     name TEXT NOT NULL,
    ///     hash TEXT NOT NULL
    /// ) STRICT;
    /// CREATE UNIQUE INDEX users_name ON users (lower(name));
    /// ```
    ///
    /// ```no_run
    /// use duck::auth::Auth;
    /// use duck::sqlx;
    ///
    /// #[derive(Clone, serde::Serialize)]
    /// struct User {
    ///     id: i64,
    ///     name: String,
    /// }
    ///
    /// # impl sqlx::FromRow<'_, sqlx::sqlite::SqliteRow> for User {
    /// #     fn from_row(_: &sqlx::sqlite::SqliteRow) -> sqlx::Result<Self> { Err(sqlx::Error::RowNotFound) }
    /// # }
    /// let auth = Auth::sqlite::<User>("users"); // User: #[derive(sqlx::FromRow)]
    /// ```
    ///
    /// A name is one in lower or upper case (of SQLite: the letters A to Z) and without the spaces around it; the index
    /// sees to it that there is one user of it. Whoever signs up ([`sign_up_view`](super::sign_up_view)) gets a row of a
    /// name and a hash, so other columns have a default.
    ///
    /// For anything else (another key, users who are blocked, a login by an address of mail), implement [`Accounts`].
    #[cfg(feature = "sqlite")]
    pub fn sqlite<U>(table: &'static str) -> Self
    where
        U: for<'r> FromRow<'r, sqlx::sqlite::SqliteRow>
            + Serialize
            + Clone
            + Send
            + Sync
            + Unpin
            + 'static,
    {
        Self::new(move |setup| {
            Ok(Table::<U, sqlx::Sqlite>::new(
                setup.get::<sqlx::SqlitePool>()?,
                table,
            ))
        })
    }

    /// Logins for the users of a table of the site, in the database of [`postgres`](crate::database::postgres).
    ///
    /// The table is made by the site's migrations, and has at least these columns; `U` is read from a whole row, and may
    /// leave any of them out:
    ///
    /// ```sql
    /// CREATE TABLE users (
    ///     id BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    ///     name TEXT NOT NULL,
    ///     hash TEXT NOT NULL
    /// );
    /// CREATE UNIQUE INDEX users_name ON users (lower(name));
    /// ```
    ///
    /// A name is one in lower or upper case and without the spaces around it; the index sees to it that there is one
    /// user of it. Whoever signs up ([`sign_up_view`](super::sign_up_view)) gets a row of a name and a hash, so other
    /// columns have a default.
    ///
    /// For anything else (another key, users who are blocked, a login by an address of mail), implement [`Accounts`].
    #[cfg(feature = "postgres")]
    pub fn postgres<U>(table: &'static str) -> Self
    where
        U: for<'r> FromRow<'r, sqlx::postgres::PgRow>
            + Serialize
            + Clone
            + Send
            + Sync
            + Unpin
            + 'static,
    {
        Self::new(move |setup| {
            Ok(Table::<U, sqlx::Postgres>::new(
                setup.get::<sqlx::PgPool>()?,
                table,
            ))
        })
    }
}
