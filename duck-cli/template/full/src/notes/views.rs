//! The views of the notes.

use duck::prelude::*;
use serde::Deserialize;

use super::store::{self, Note};
use crate::database::Pool;
use crate::views::{page, visitor};

#[derive(Deserialize)]
struct NoteForm {
    title: String,
    #[serde(default)]
    body: String,
}

/// The visitor's notes.
pub async fn index(request: Request) -> Result<Response> {
    let owner = visitor(&request).await?;
    let notes = store::list(request.state::<Pool>()?, owner).await?;
    let rows: String = notes.iter().map(row).collect();
    let body =
        format!("<h1>Notes</h1>\n<ul>{rows}</ul>\n<p><a href=\"/notes/new\">New note</a></p>");
    Ok(page("Notes", &body))
}

/// One note. What is no number, or not a note of the visitor, is a 404.
pub async fn show(request: Request, id: i64) -> Result<Response> {
    let owner = visitor(&request).await?;
    let note = store::find(request.state::<Pool>()?, owner, id)
        .await?
        .or_404()?;
    let (title, text) = (escape_html(&note.title), escape_html(&note.body));
    let body = format!(
        r#"<h1>{title}</h1>
<p>{text}</p>
<p><a href="/notes/{id}/edit">Edit</a></p>
<form method="post" action="/notes/{id}/delete"><button>Delete</button></form>"#
    );
    Ok(page(&title, &body))
}

/// Shows the form, or takes a note and leads to its page.
pub async fn create(request: Request) -> Result<Response> {
    let owner = visitor(&request).await?;
    if request.method() == GET {
        return Ok(form("New note", "", "", ""));
    }
    let NoteForm { title, body } = request.form_as().await?;
    if let Err(complaint) = check(&title) {
        return Ok(form("New note", &title, &body, complaint));
    }
    let id = store::add(request.state::<Pool>()?, owner, title.trim(), &body).await?;
    redirect(&request, "notes.show", [id])
}

/// Shows the form with the note in it, or takes what it became.
pub async fn edit(request: Request, id: i64) -> Result<Response> {
    let owner = visitor(&request).await?;
    let pool = request.state::<Pool>()?;
    let note = store::find(pool, owner, id).await?.or_404()?;
    if request.method() == GET {
        return Ok(form("Edit note", &note.title, &note.body, ""));
    }
    let NoteForm { title, body } = request.form_as().await?;
    if let Err(complaint) = check(&title) {
        return Ok(form("Edit note", &title, &body, complaint));
    }
    let title = title.trim().to_owned();
    store::update(pool, owner, &Note { id, title, body })
        .await?
        .or_404()?;
    redirect(&request, "notes.show", [id])
}

/// Deletes a note.
pub async fn delete(request: Request, id: i64) -> Result<Response> {
    let owner = visitor(&request).await?;
    store::delete(request.state::<Pool>()?, owner, id)
        .await?
        .or_404()?;
    redirect(&request, "notes.index", ())
}

fn check(title: &str) -> Result<(), &'static str> {
    match title.trim().chars().count() {
        0 => Err("A note needs a title."),
        1..=200 => Ok(()),
        _ => Err("A title has 200 characters at most."),
    }
}

fn row(note: &Note) -> String {
    let (id, title) = (note.id, escape_html(&note.title));
    format!("<li><a href=\"/notes/{id}\">{title}</a></li>\n")
}

fn form(heading: &str, title: &str, body: &str, complaint: &str) -> Response {
    let (title, body) = (escape_html(title), escape_html(body));
    let alert = match complaint {
        "" => String::new(),
        complaint => format!("<p role=\"alert\">{complaint}</p>\n"),
    };
    let form = format!(
        r#"<h1>{heading}</h1>
{alert}<form method="post">
<p><label>Title <input name="title" value="{title}" maxlength="200" required></label></p>
<p><label>Text <textarea name="body" rows="6">{body}</textarea></label></p>
<button>Save</button>
</form>"#
    );
    page(heading, &form)
}
