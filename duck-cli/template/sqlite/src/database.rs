//! The site's database: SQLite, through sqlx. `lib.rs` opens it; the tables are those of `migrations/`.

/// The kind of database.
pub type Db = sqlx::Sqlite;
/// Its connections: `request.state::<Pool>()?` in a view.
pub type Pool = sqlx::Pool<Db>;
/// What [`begin`] begins.
pub type Transaction = sqlx::Transaction<'static, Db>;

/// A transaction that may write. What it did is kept by `commit`, and undone where it is dropped before.
///
/// # Errors
/// When there is no connection, or another writer keeps the database for too long.
pub async fn begin(pool: &Pool) -> sqlx::Result<Transaction> {
    // A plain BEGIN that reads first, and writes after another writer has, fails at once.
    pool.begin_with("BEGIN IMMEDIATE").await
}
