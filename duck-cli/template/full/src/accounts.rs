//! Who has an account: a row of the table `users`. What its password is checked with stays there: a [`User`] does not
//! hold it.

use serde::Serialize;
use sqlx::{Executor, FromRow};

use crate::database::{self, Db, Pool};
use crate::notes;

/// An account, as views and templates see it.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
pub struct User {
    pub id: i64,
    pub name: String,
}

/// Adds an account with its first note: both, or neither. `None` where the name is taken.
pub async fn sign_up(pool: &Pool, name: &str, hash: &str) -> sqlx::Result<Option<User>> {
    let mut transaction = database::begin(pool).await?;
    let user = match add(&mut *transaction, name, hash).await {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => return Ok(None),
        added => added?,
    };
    let body = "This note was written when you signed up.";
    notes::store::add(&mut *transaction, user.id, "Welcome", body).await?;
    transaction.commit().await?;
    Ok(Some(user))
}

/// Of two that ask for one name at the same moment, the index in the database refuses one.
async fn add(db: impl Executor<'_, Database = Db>, name: &str, hash: &str) -> sqlx::Result<User> {
    sqlx::query_as("INSERT INTO users (name, hash) VALUES ($1, $2) RETURNING id, name")
        .bind(name)
        .bind(hash)
        .fetch_one(db)
        .await
}
