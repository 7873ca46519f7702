//! The notes in the database. Every query names the owner: nobody reads or changes the note of another.

use serde::Serialize;
use sqlx::{Executor, FromRow};

use crate::database::{Db, Pool};

/// As many as a page lists.
const PAGE: i64 = 100;

/// A note.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow)]
pub struct Note {
    pub id: i64,
    pub title: String,
    pub body: String,
}

/// The owner's notes, the latest first.
pub async fn list(pool: &Pool, owner: i64) -> sqlx::Result<Vec<Note>> {
    sqlx::query_as("SELECT id, title, body FROM notes WHERE owner = $1 ORDER BY id DESC LIMIT $2")
        .bind(owner)
        .bind(PAGE)
        .fetch_all(pool)
        .await
}

/// One note, if it is the owner's.
pub async fn find(pool: &Pool, owner: i64, id: i64) -> sqlx::Result<Option<Note>> {
    sqlx::query_as("SELECT id, title, body FROM notes WHERE owner = $1 AND id = $2")
        .bind(owner)
        .bind(id)
        .fetch_optional(pool)
        .await
}

/// Adds a note, and gives its number. `db` is a pool, or a transaction: `&mut *transaction`.
pub async fn add(
    db: impl Executor<'_, Database = Db>,
    owner: i64,
    title: &str,
    body: &str,
) -> sqlx::Result<i64> {
    sqlx::query_scalar("INSERT INTO notes (owner, title, body) VALUES ($1, $2, $3) RETURNING id")
        .bind(owner)
        .bind(title)
        .bind(body)
        .fetch_one(db)
        .await
}

/// Writes a note anew. `None` where it is not there, or not the owner's.
pub async fn update(pool: &Pool, owner: i64, note: &Note) -> sqlx::Result<Option<()>> {
    let done = sqlx::query("UPDATE notes SET title = $3, body = $4 WHERE owner = $1 AND id = $2")
        .bind(owner)
        .bind(note.id)
        .bind(&note.title)
        .bind(&note.body)
        .execute(pool)
        .await?;
    Ok((done.rows_affected() == 1).then_some(()))
}

/// Deletes a note. `None` where it is not there, or not the owner's.
pub async fn delete(pool: &Pool, owner: i64, id: i64) -> sqlx::Result<Option<()>> {
    let done = sqlx::query("DELETE FROM notes WHERE owner = $1 AND id = $2")
        .bind(owner)
        .bind(id)
        .execute(pool)
        .await?;
    Ok((done.rows_affected() == 1).then_some(()))
}
