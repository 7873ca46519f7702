//! The views: each takes a request, and what its URL holds, and answers.

use duck::prelude::*;
use serde::Deserialize;

/// How often this visitor came, and what they noted.
pub async fn home(request: Request) -> Result<Response> {
    let visits = request
        .session
        .update("visits", |n: &mut u32| *n += 1)
        .await?;
    let visitor = request.session.user().await?;
    let items: String = notes(&request)
        .await?
        .iter()
        .zip(1..)
        .map(note_link)
        .collect();
    Ok(page(
        "Home",
        &format!(
            "<h1>Visit {visits}</h1>\n{}\n<ul>{items}</ul>\n{NEW_NOTE_FORM}",
            greeting(visitor)
        ),
    ))
}

/// One note, by its number. What is no number, or not the number of a note, is a 404.
pub async fn note(request: Request, id: usize) -> Result<Response> {
    let notes = notes(&request).await?;
    let title = id
        .checked_sub(1)
        .and_then(|index| notes.get(index))
        .or_404()?;
    Ok(page(
        "Note",
        &format!(
            "<h1>{}</h1>\n<p><a href=\"/\">Home</a></p>",
            escape_html(title)
        ),
    ))
}

#[derive(Deserialize)]
struct NewNote {
    title: String,
}

/// Shows the form, or takes a note and leads to its page.
pub async fn create(request: Request) -> Result<Response> {
    if request.method() == GET {
        return Ok(page("New note", NEW_NOTE_FORM));
    }
    let NewNote { title } = request.form_as().await?;
    let title = title.trim().to_owned();
    if title.is_empty() {
        let again = format!("<p role=\"alert\">A note needs a title.</p>\n{NEW_NOTE_FORM}");
        return Ok(page("New note", &again));
    }
    let add = move |notes: &mut Vec<String>| notes.push(title.clone());
    let notes = request.session.update("notes", add).await?;
    redirect(&request, "note", [notes.len()])
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
}

/// The notes that contain `?q=…`, as JSON.
pub async fn search(request: Request) -> Result<Response> {
    let Search { q } = request.query()?;
    let mut found = notes(&request).await?;
    found.retain(|title| title.contains(&q));
    Ok(json(&found))
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

/// Shows the form, or logs the visitor in under a new session id.
pub async fn login(request: Request) -> Result<Response> {
    if request.method() == GET {
        return Ok(page("Log in", LOGIN_FORM));
    }
    let Login { name } = request.form_as().await?;
    // Here a site that means it checks a password. This one lets everybody in.
    request.session.login(&name).await?;
    redirect(&request, "home", ())
}

/// Forgets all that was kept for this visitor, and the session id.
pub async fn logout(request: Request) -> Result<Response> {
    request.session.logout().await?;
    redirect(&request, "home", ())
}

const NEW_NOTE_FORM: &str = r#"<form method="post" action="/notes/new">
<label>Note <input name="title" maxlength="200" required></label>
<button>Save</button>
</form>"#;

const LOGIN_FORM: &str = r#"<form method="post" action="/login">
<label>Name <input name="name" maxlength="80" required></label>
<button>Log in</button>
</form>"#;

const LOGOUT_FORM: &str = r#"<form method="post" action="/logout"><button>Log out</button></form>"#;

async fn notes(request: &Request) -> Result<Vec<String>> {
    Ok(request.session.get("notes").await?.unwrap_or_default())
}

fn note_link((title, id): (&String, usize)) -> String {
    format!(
        "<li><a href=\"/notes/{id}\">{}</a></li>\n",
        escape_html(title)
    )
}

fn greeting(visitor: Option<String>) -> String {
    match visitor {
        Some(name) => format!("<p>Hello {}.</p>\n{LOGOUT_FORM}", escape_html(&name)),
        None => "<p><a href=\"/login\">Log in</a></p>".to_owned(),
    }
}

/// What all pages have in common. `title` and `body` are HTML: escape what a visitor wrote.
pub fn page(title: &str, body: &str) -> Response {
    html(format!(
        r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · @NAME@</title>
<link rel="icon" href="/static/favicon.svg">
<link rel="stylesheet" href="/static/css/site.css">
<main>
{body}
</main>
</html>
"#
    ))
}
