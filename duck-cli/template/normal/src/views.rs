//! The views: each takes a request, and what its URL holds, and answers.

use std::collections::BTreeMap;

use duck::prelude::*;
use garde::Validate;
use serde::{Deserialize, Serialize};

/// The first page, which counts how often this visitor came.
pub async fn home(request: Request) -> Result<Response> {
    let visits = request
        .session
        .update("visits", |n: &mut u32| *n += 1)
        .await?;
    render(&request, "home.html", context! { visits }).await
}

/// A note, and the form for one: what it has to be is said here, and how it looks in
/// `templates/notes/form.html`.
#[derive(Clone, Deserialize, Serialize, Validate)]
struct Note {
    #[garde(length(chars, max = 80), custom(not_blank))]
    title: String,
    #[garde(length(chars, max = 500))]
    text: String,
}

fn not_blank(text: &str, _: &()) -> garde::Result {
    match text.trim() {
        "" => Err(garde::Error::new("must not be empty")),
        _ => Ok(()),
    }
}

/// The visitor's notes by number. They are in the session: another visitor has others.
type Notes = BTreeMap<u32, Note>;

/// As many as a session holds, however long they are.
const MOST: usize = 20;

async fn kept(request: &Request) -> Result<Notes> {
    Ok(request.session.get("notes").await?.unwrap_or_default())
}

/// All notes of this visitor.
pub async fn notes(request: Request) -> Result<Response> {
    let notes = kept(&request).await?;
    render(&request, "notes/index.html", context! { notes }).await
}

/// One note. What is no number, or not the number of a note, is a 404.
pub async fn note(request: Request, id: u32) -> Result<Response> {
    let note = kept(&request).await?.remove(&id).or_404()?;
    render(&request, "notes/show.html", context! { id, note }).await
}

/// Shows the form, or takes a note. What is wrong is shown beside the fields.
pub async fn create(request: Request) -> Result<Response> {
    let form = request.form::<Note>().await?;
    if let Some(note) = form.valid() {
        if kept(&request).await?.len() >= MOST {
            form.error("", "There is no room for more notes: delete one.");
        } else {
            let add = move |notes: &mut Notes| {
                let id = notes.keys().last().map_or(1, |last| last + 1);
                notes.insert(id, note.clone());
            };
            request.session.update("notes", add).await?;
            request
                .session
                .flash(FlashLevel::Success, "Your note is saved.")
                .await?;
            return redirect(&request, "notes", ());
        }
    }
    render(&request, "notes/form.html", context! { form }).await
}

/// Deletes a note.
pub async fn delete(request: Request, id: u32) -> Result<Response> {
    kept(&request).await?.remove(&id).or_404()?;
    let remove = move |notes: &mut Notes| drop(notes.remove(&id));
    request.session.update("notes", remove).await?;
    request
        .session
        .flash(FlashLevel::Info, "The note is deleted.")
        .await?;
    redirect(&request, "notes", ())
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
}

/// The notes that contain `?q=…`, as JSON.
pub async fn search(request: Request) -> Result<Response> {
    let Search { q } = request.query()?;
    let mut notes = kept(&request).await?;
    notes.retain(|_, note| note.title.contains(&q) || note.text.contains(&q));
    Ok(json(&notes))
}

/// A page for whoever has logged in: `login_required` stands before it in `src/urls.rs`.
pub async fn account(request: Request) -> Result<Response> {
    render(&request, "account.html", context! {}).await
}
