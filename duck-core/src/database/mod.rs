//! A database through [sqlx]: features `sqlite` and `postgres`.
//!
//! `sqlite` and `postgres` are components: they open the database of the setting `DATABASE_URL`, bring its tables
//! up to date, and leave a pool of connections for the views. You write the SQL. The guide is `docs/database.md`.

mod component;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "postgres")]
pub use self::postgres::postgres;
#[cfg(feature = "sqlite")]
pub use self::sqlite::sqlite;
