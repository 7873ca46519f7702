//! The pages around the shop.

use duck::prelude::*;
use serde::{Deserialize, Serialize};

use crate::page;

/// Counts this visitor's visits. Two at the same moment count as two.
pub(crate) async fn home(request: Request) -> Result<Response> {
    let visits = request
        .session
        .update("visits", |n: &mut u64| *n += 1)
        .await?;
    let times = if visits == 1 { "time" } else { "times" };
    page::show(
        &request,
        "Home",
        &format!(
            "<h1>Quack!</h1>
             <p class=\"count\"><strong>{visits}</strong> You have been here {visits} {times}.</p>
             <p>Restart the server and come again: it still knows you.</p>
             <form method=\"post\" action=\"/forget\"><button class=\"quiet\">Forget me</button></form>"
        ),
    )
    .await
}

/// Greets whoever the path names.
pub(crate) async fn hello(request: Request, name: String) -> Result<Response> {
    page::show(
        &request,
        "Hello",
        &format!("<h1>Hello, {}!</h1>", escape_html(&name)),
    )
    .await
}

/// Ends the session, and begins anew.
pub(crate) async fn forget(request: Request) -> Result<Response> {
    request.session.flush().await?;
    redirect(&request, "home", ())
}

/// What the guestbook's form sends.
#[derive(Deserialize)]
struct Entry {
    text: String,
}

/// A form: shown on `GET`, read on `POST`, and shown again with a word about what is missing.
pub(crate) async fn guestbook(request: Request) -> Result<Response> {
    let (mut complaint, mut written) = ("", String::new());
    if request.method() == POST {
        let Entry { text } = request.form_as().await?;
        let text = text.trim().to_owned();
        if (1..=280).contains(&text.chars().count()) {
            request
                .session
                .update("entries", move |entries: &mut Vec<String>| {
                    entries.push(text.clone());
                })
                .await?;
            return redirect(&request, "guestbook", ());
        }
        complaint = "<p role=\"alert\">Between one and 280 characters, please.</p>";
        written = text;
    }
    let entries = request
        .session
        .get::<Vec<String>>("entries")
        .await?
        .unwrap_or_default();
    let list: String = entries
        .iter()
        .map(|entry| format!("<li>{}</li>", escape_html(entry)))
        .collect();
    let text = escape_html(&written);
    let form = format!(
        "<form method=\"post\">
         <label>Your words <input name=\"text\" value=\"{text}\" maxlength=\"280\" required></label>
         <button>Write</button></form>"
    );
    let body = format!("<h1>Guestbook</h1>{complaint}<ul class=\"entries\">{list}</ul>{form}");
    page::show(&request, "Guestbook", &body).await
}

/// What the session knows of its visitor.
#[derive(Serialize)]
struct Me {
    user: Option<String>,
    visits: u64,
    keys: Vec<String>,
}

/// The same as JSON.
pub(crate) async fn me(request: Request) -> Result<Response> {
    Ok(json(&Me {
        user: request.session.user().await?,
        visits: request.session.get("visits").await?.unwrap_or(0),
        keys: request.session.keys().await?,
    }))
}
