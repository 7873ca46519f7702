//! The notes in the database. Every query names the owner: nobody reads or changes the note of another.
//!
//! A note that is not there, or not the owner's, is `sqlx::Error::RowNotFound`, which the site answers with 404.

use serde::Serialize;
use sqlx::{FromRow, SqlitePool};

/// As many as a page lists.
const PAGE: i64 = 100;

/// A note.
#[derive(Serialize, FromRow)]
pub(super) struct Note {
    pub(super) id: i64,
    pub(super) title: String,
    pub(super) body: String,
}

/// The owner's notes, the latest first.
pub(super) async fn list(pool: &SqlitePool, owner: i64) -> sqlx::Result<Vec<Note>> {
    sqlx::query_as("SELECT id, title, body FROM notes WHERE owner = $1 ORDER BY id DESC LIMIT $2")
        .bind(owner)
        .bind(PAGE)
        .fetch_all(pool)
        .await
}

/// One note.
pub(super) async fn find(pool: &SqlitePool, owner: i64, id: i64) -> sqlx::Result<Note> {
    sqlx::query_as("SELECT id, title, body FROM notes WHERE owner = $1 AND id = $2")
        .bind(owner)
        .bind(id)
        .fetch_one(pool)
        .await
}

/// Adds a note, and gives its number.
pub(super) async fn add(
    pool: &SqlitePool,
    owner: i64,
    title: &str,
    body: &str,
) -> sqlx::Result<i64> {
    sqlx::query_scalar("INSERT INTO notes (owner, title, body) VALUES ($1, $2, $3) RETURNING id")
        .bind(owner)
        .bind(title)
        .bind(body)
        .fetch_one(pool)
        .await
}

/// Writes a note anew.
pub(super) async fn update(pool: &SqlitePool, owner: i64, note: &Note) -> sqlx::Result<()> {
    let done = sqlx::query("UPDATE notes SET title = $3, body = $4 WHERE owner = $1 AND id = $2")
        .bind(owner)
        .bind(note.id)
        .bind(&note.title)
        .bind(&note.body)
        .execute(pool)
        .await?;
    found(done.rows_affected())
}

/// Deletes a note.
pub(super) async fn delete(pool: &SqlitePool, owner: i64, id: i64) -> sqlx::Result<()> {
    let done = sqlx::query("DELETE FROM notes WHERE owner = $1 AND id = $2")
        .bind(owner)
        .bind(id)
        .execute(pool)
        .await?;
    found(done.rows_affected())
}

fn found(rows: u64) -> sqlx::Result<()> {
    if rows == 0 {
        return Err(sqlx::Error::RowNotFound);
    }
    Ok(())
}
