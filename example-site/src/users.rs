//! Who has an account. Passwords stay in here as hashes: a [`User`], which templates see, has none.

use duck::auth::{Accounts, Credentials};
use duck::prelude::*;
use serde::Serialize;
use sqlx::FromRow;

use crate::database::Pool;

/// An account, as views and templates see it.
#[derive(Clone, Serialize, FromRow)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) picture: Option<String>,
}

/// Where logins find the users.
pub(crate) struct Users(pub(crate) Pool);

impl Accounts for Users {
    type User = User;

    async fn credentials(&self, name: &str) -> Result<Option<Credentials>> {
        let row: Option<(String, String)> =
            sqlx::query_as("SELECT name, hash FROM users WHERE name = $1")
                .bind(name.trim())
                .fetch_optional(&self.0)
                .await?;
        Ok(row.map(|(name, hash)| Credentials::new(name, hash)))
    }

    async fn hash(&self, id: &str) -> Result<Option<String>> {
        let hash = sqlx::query_scalar("SELECT hash FROM users WHERE name = $1").bind(id);
        Ok(hash.fetch_optional(&self.0).await?)
    }

    async fn user(&self, id: &str) -> Result<Option<User>> {
        let user = sqlx::query_as("SELECT name, picture FROM users WHERE name = $1").bind(id);
        Ok(user.fetch_optional(&self.0).await?)
    }

    async fn set_hash(&self, id: &str, old: &str, new: &str) -> Result<bool> {
        let done = sqlx::query("UPDATE users SET hash = $3 WHERE name = $1 AND hash = $2")
            .bind(id)
            .bind(old)
            .bind(new)
            .execute(&self.0)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}

/// Adds an account. `false` where the name is taken: of two who ask for it at once, the database refuses one.
pub(crate) async fn add(pool: &Pool, name: &str, hash: &str) -> sqlx::Result<bool> {
    let done = sqlx::query("INSERT INTO users (name, hash) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(name)
        .bind(hash)
        .execute(pool)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Says which file is the picture of a user.
pub(crate) async fn set_picture(pool: &Pool, name: &str, picture: &str) -> sqlx::Result<()> {
    sqlx::query("UPDATE users SET picture = $2 WHERE name = $1")
        .bind(name)
        .bind(picture)
        .execute(pool)
        .await?;
    Ok(())
}
