//! The views of the notes. `login_required` stands around them, so there is always an owner.

use duck::prelude::*;
use garde::Validate;
use serde::Deserialize;
use sqlx::SqlitePool;

use super::store::{self, Note};
use crate::account::User;
use crate::views::not_blank;

/// What the form of a note sends.
#[derive(Deserialize, Validate)]
struct NoteForm {
    #[garde(length(chars, max = 200), custom(not_blank))]
    title: String,
    #[serde(default)]
    #[garde(length(chars, max = 10_000))]
    body: String,
}

/// Whose notes they are: the user who is logged in.
async fn owner(request: &Request) -> Result<i64> {
    Ok(request.require_user::<User>().await?.id)
}

/// The visitor's notes.
pub(super) async fn index(request: Request) -> Result<Response> {
    let notes = store::list(request.state::<SqlitePool>()?, owner(&request).await?).await?;
    render(&request, "notes/index.html", context! { notes }).await
}

/// One note. What is no number, or not a note of the visitor, is a 404.
pub(super) async fn show(request: Request, id: i64) -> Result<Response> {
    let note = store::find(request.state::<SqlitePool>()?, owner(&request).await?, id).await?;
    render(&request, "notes/show.html", context! { note }).await
}

/// Shows the form, or takes a note and leads to its page.
pub(super) async fn create(request: Request) -> Result<Response> {
    let form = request.form::<NoteForm>().await?;
    if let Some(NoteForm { title, body }) = form.valid() {
        let owner = owner(&request).await?;
        let id = store::add(request.state::<SqlitePool>()?, owner, title.trim(), &body).await?;
        request
            .session
            .flash(FlashLevel::Success, "The note is kept.")
            .await?;
        return redirect(&request, "notes.show", [id]);
    }
    render(
        &request,
        "notes/form.html",
        context! { form, heading => "New note" },
    )
    .await
}

/// Shows the form with the note in it, or takes what it became.
pub(super) async fn edit(request: Request, id: i64) -> Result<Response> {
    let (pool, owner) = (request.state::<SqlitePool>()?, owner(&request).await?);
    let note = store::find(pool, owner, id).await?;
    let form = request.form_from::<NoteForm>(&note).await?;
    if let Some(NoteForm { title, body }) = form.valid() {
        let title = title.trim().to_owned();
        store::update(pool, owner, &Note { id, title, body }).await?;
        return redirect(&request, "notes.show", [id]);
    }
    render(
        &request,
        "notes/form.html",
        context! { form, heading => "Edit note" },
    )
    .await
}

/// Deletes a note.
pub(super) async fn delete(request: Request, id: i64) -> Result<Response> {
    store::delete(request.state::<SqlitePool>()?, owner(&request).await?, id).await?;
    request
        .session
        .flash(FlashLevel::Info, "The note is gone.")
        .await?;
    redirect(&request, "notes.index", ())
}
