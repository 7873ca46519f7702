//! The site's database: PostgreSQL, through sqlx. `lib.rs` opens it; the tables are those of `migrations/`.

/// The kind of database.
pub type Db = sqlx::Postgres;
/// Its connections: `request.state::<Pool>()?` in a view.
pub type Pool = sqlx::Pool<Db>;
/// What [`begin`] begins.
pub type Transaction = sqlx::Transaction<'static, Db>;

/// A transaction. What it did is kept by `commit`, and undone where it is dropped before.
///
/// # Errors
/// When there is no connection.
pub async fn begin(pool: &Pool) -> sqlx::Result<Transaction> {
    pool.begin().await
}
