//! The views of the notes. `login_required` stands around them: see `blueprint`.

use duck::prelude::*;
use garde::Validate;
use serde::Deserialize;

use super::store::{self, Note};
use crate::accounts::User;
use crate::database::Pool;

/// The form: what a note has to be is said here, and how it looks in `templates/notes/form.html`.
#[derive(Deserialize, Validate)]
struct NoteForm {
    #[garde(length(chars, max = 200), custom(not_blank))]
    title: String,
    #[garde(length(chars, max = 20_000))]
    body: String,
}

fn not_blank(text: &str, _: &()) -> garde::Result {
    match text.trim() {
        "" => Err(garde::Error::new("must not be empty")),
        _ => Ok(()),
    }
}

/// The number of the user whose notes these are.
async fn owner(request: &Request) -> Result<i64> {
    Ok(request.require_user::<User>().await?.id)
}

/// The user's notes.
pub async fn index(request: Request) -> Result<Response> {
    let notes = store::list(request.state::<Pool>()?, owner(&request).await?).await?;
    render(&request, "notes/index.html", context! { notes }).await
}

/// One note. What is no number, or not a note of the user, is a 404.
pub async fn show(request: Request, id: i64) -> Result<Response> {
    let owner = owner(&request).await?;
    let note = store::find(request.state::<Pool>()?, owner, id)
        .await?
        .or_404()?;
    render(&request, "notes/show.html", context! { note }).await
}

/// Shows the form, or takes a note. What is wrong is shown beside the fields.
pub async fn create(request: Request) -> Result<Response> {
    let owner = owner(&request).await?;
    let form = request.form::<NoteForm>().await?;
    if let Some(NoteForm { title, body }) = form.valid() {
        let id = store::add(request.state::<Pool>()?, owner, title.trim(), &body).await?;
        return saved(&request, id).await;
    }
    let heading = "New note";
    render(&request, "notes/form.html", context! { form, heading }).await
}

/// Shows the form with the note in it, or takes what it became.
pub async fn edit(request: Request, id: i64) -> Result<Response> {
    let owner = owner(&request).await?;
    let pool = request.state::<Pool>()?;
    let note = store::find(pool, owner, id).await?.or_404()?;
    let form = request.form_from::<NoteForm>(&note).await?;
    if let Some(NoteForm { title, body }) = form.valid() {
        let title = title.trim().to_owned();
        let note = Note { id, title, body };
        store::update(pool, owner, &note).await?.or_404()?;
        return saved(&request, id).await;
    }
    let heading = "Edit note";
    render(&request, "notes/form.html", context! { form, heading }).await
}

async fn saved(request: &Request, id: i64) -> Result<Response> {
    request
        .session
        .flash(FlashLevel::Success, "Your note is saved.")
        .await?;
    redirect(request, "notes.show", [id])
}

/// Deletes a note.
pub async fn delete(request: Request, id: i64) -> Result<Response> {
    let owner = owner(&request).await?;
    store::delete(request.state::<Pool>()?, owner, id)
        .await?
        .or_404()?;
    request
        .session
        .flash(FlashLevel::Info, "The note is deleted.")
        .await?;
    redirect(&request, "notes.index", ())
}
