//! Who has an account. What a password is checked with stays in here: a [`User`] does not hold it.

use duck::Result;
use duck::auth::Accounts;
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

/// What a login is checked with.
#[derive(FromRow)]
pub struct Credentials {
    pub id: i64,
    pub hash: String,
}

/// The accounts, as logins ask for them. A user's id is a text to them, and a number here.
pub struct Users(pub Pool);

impl Accounts for Users {
    type User = User;

    async fn credentials(&self, name: &str) -> Result<Option<duck::auth::Credentials>> {
        let found = credentials(&self.0, name.trim()).await?;
        Ok(found.map(|found| duck::auth::Credentials::new(found.id, found.hash)))
    }

    async fn hash(&self, id: &str) -> Result<Option<String>> {
        Ok(hash(&self.0, id.parse()?).await?)
    }

    async fn user(&self, id: &str) -> Result<Option<User>> {
        Ok(user(&self.0, id.parse()?).await?)
    }

    async fn set_hash(&self, id: &str, old: &str, new: &str) -> Result<bool> {
        Ok(set_hash(&self.0, id.parse()?, old, new).await?)
    }
}

/// The credentials of whoever has this name, in small letters or large.
pub async fn credentials(pool: &Pool, name: &str) -> sqlx::Result<Option<Credentials>> {
    sqlx::query_as("SELECT id, hash FROM users WHERE lower(name) = lower($1)")
        .bind(name)
        .fetch_optional(pool)
        .await
}

/// What the password of this user is checked with.
pub async fn hash(pool: &Pool, id: i64) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar("SELECT hash FROM users WHERE id = $1")
        .bind(id)
        .fetch_optional(pool)
        .await
}

/// The user of this number.
pub async fn user(pool: &Pool, id: i64) -> sqlx::Result<Option<User>> {
    sqlx::query_as("SELECT id, name FROM users WHERE id = $1")
        .bind(id)
        .fetch_optional(pool)
        .await
}

/// Replaces what the password is checked with, where it is still the old one, and says whether it was.
pub async fn set_hash(pool: &Pool, id: i64, old: &str, new: &str) -> sqlx::Result<bool> {
    let done = sqlx::query("UPDATE users SET hash = $3 WHERE id = $1 AND hash = $2")
        .bind(id)
        .bind(old)
        .bind(new)
        .execute(pool)
        .await?;
    Ok(done.rows_affected() == 1)
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
