//! The pages around the shop and the notes.

use duck::prelude::*;
use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::account::User;

/// Counts this visitor's visits. Two at the same moment count as two.
pub(crate) async fn home(request: Request) -> Result<Response> {
    let count = |visits: &mut u64| *visits += 1;
    let visits = request.session.update("visits", count).await?;
    render(&request, "home.html", context! { visits }).await
}

/// Greets whoever the path names.
pub(crate) async fn hello(request: Request, name: String) -> Result<Response> {
    render(&request, "hello.html", context! { name }).await
}

/// Ends the session, and begins anew.
pub(crate) async fn forget(request: Request) -> Result<Response> {
    request.session.flush().await?;
    redirect(&request, "home", ())
}

/// What the guestbook's form sends.
#[derive(Deserialize, Validate)]
struct Entry {
    #[garde(length(chars, max = 280), custom(not_blank))]
    text: String,
}

/// A rule for texts: spaces alone say nothing.
pub(crate) fn not_blank<C>(text: &str, _: &C) -> garde::Result {
    if text.trim().is_empty() {
        return Err(garde::Error::new("is required"));
    }
    Ok(())
}

/// A form: shown on `GET`, read on `POST`, and shown again with what is wrong.
pub(crate) async fn guestbook(request: Request) -> Result<Response> {
    let form = request.form::<Entry>().await?;
    if let Some(Entry { text }) = form.valid() {
        let add = move |entries: &mut Vec<String>| entries.push(text.trim().to_owned());
        request.session.update("entries", add).await?;
        return redirect(&request, "guestbook", ());
    }
    let entries: Vec<String> = request.session.get_or_default("entries").await?;
    render(&request, "guestbook.html", context! { form, entries }).await
}

/// What the site knows of its visitor.
#[derive(Serialize)]
struct Me {
    user: Option<String>,
    visits: u64,
    keys: Vec<String>,
}

/// The same as JSON.
pub(crate) async fn me(request: Request) -> Result<Response> {
    let user: Option<User> = request.user().await?;
    Ok(json(&Me {
        user: user.map(|user| user.name),
        visits: request.session.get_or_default("visits").await?,
        keys: request.session.keys().await?,
    }))
}
