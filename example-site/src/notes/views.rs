//! The views of the notes.

use duck::prelude::*;
use serde::Deserialize;

use super::store::{self, Note};
use crate::database::Pool;
use crate::page;

/// What the form of a note sends.
#[derive(Deserialize)]
struct NoteForm {
    title: String,
    #[serde(default)]
    body: String,
}

/// The visitor's notes.
pub(super) async fn index(request: Request) -> Result<Response> {
    let Some(owner) = request.session.user().await? else {
        return redirect(&request, "login", ());
    };
    let notes = store::list(request.state::<Pool>()?, &owner).await?;
    let row = |note: &Note| {
        let title = escape_html(&note.title);
        format!("<li><a href=\"/notes/{}\">{title}</a></li>", note.id)
    };
    let list: String = notes.iter().map(row).collect();
    let new = request.url("notes.create", ())?;
    let body = format!(
        "<h1>Notes</h1><ul class=\"entries\">{list}</ul><p><a href=\"{new}\">New note</a></p>"
    );
    page::show(&request, "Notes", &body).await
}

/// One note. What is no number, or not a note of the visitor, is a 404.
pub(super) async fn show(request: Request, id: i64) -> Result<Response> {
    let Some(owner) = request.session.user().await? else {
        return redirect(&request, "login", ());
    };
    let pool = request.state::<Pool>()?;
    let note = store::find(pool, &owner, id).await?.or_404()?;
    let (title, text) = (escape_html(&note.title), escape_html(&note.body));
    let (edit, delete) = (
        request.url("notes.edit", [id])?,
        request.url("notes.delete", [id])?,
    );
    let body = format!(
        "<h1>{title}</h1><p>{text}</p><p><a href=\"{edit}\">Edit</a></p>
         <form method=\"post\" action=\"{delete}\"><button class=\"quiet\">Delete</button></form>"
    );
    page::show(&request, &title, &body).await
}

/// Shows the form, or takes a note and leads to its page.
pub(super) async fn create(request: Request) -> Result<Response> {
    let Some(owner) = request.session.user().await? else {
        return redirect(&request, "login", ());
    };
    if request.method() == GET {
        return form(&request, "New note", "", "", "").await;
    }
    let NoteForm { title, body } = request.form_as().await?;
    if let Err(complaint) = check(&title) {
        return form(&request, "New note", &title, &body, complaint).await;
    }
    let id = store::add(request.state::<Pool>()?, &owner, title.trim(), &body).await?;
    redirect(&request, "notes.show", [id])
}

/// Shows the form with the note in it, or takes what it became.
pub(super) async fn edit(request: Request, id: i64) -> Result<Response> {
    let Some(owner) = request.session.user().await? else {
        return redirect(&request, "login", ());
    };
    let pool = request.state::<Pool>()?;
    let note = store::find(pool, &owner, id).await?.or_404()?;
    if request.method() == GET {
        return form(&request, "Edit note", &note.title, &note.body, "").await;
    }
    let NoteForm { title, body } = request.form_as().await?;
    if let Err(complaint) = check(&title) {
        return form(&request, "Edit note", &title, &body, complaint).await;
    }
    let title = title.trim().to_owned();
    let note = Note { id, title, body };
    store::update(pool, &owner, &note).await?.or_404()?;
    redirect(&request, "notes.show", [id])
}

/// Deletes a note.
pub(super) async fn delete(request: Request, id: i64) -> Result<Response> {
    let Some(owner) = request.session.user().await? else {
        return redirect(&request, "login", ());
    };
    let pool = request.state::<Pool>()?;
    store::delete(pool, &owner, id).await?.or_404()?;
    redirect(&request, "notes.index", ())
}

fn check(title: &str) -> Result<(), &'static str> {
    match title.trim().chars().count() {
        1..=200 => Ok(()),
        _ => Err("Between one and 200 characters, please."),
    }
}

async fn form(
    request: &Request,
    heading: &str,
    title: &str,
    body: &str,
    complaint: &str,
) -> Result<Response> {
    let (title, body) = (escape_html(title), escape_html(body));
    let alert = match complaint {
        "" => String::new(),
        complaint => format!("<p role=\"alert\">{complaint}</p>"),
    };
    let form = format!(
        "<h1>{heading}</h1>{alert}<form method=\"post\">
         <label>Title <input name=\"title\" value=\"{title}\" maxlength=\"200\" required></label>
         <label>Text <textarea name=\"body\" rows=\"6\">{body}</textarea></label>
         <button>Save</button></form>"
    );
    page::show(request, heading, &form).await
}
