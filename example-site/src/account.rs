//! Who has an account, signing up, and the page of one's own account. Logging in, logging out and another password
//! are Duck's own views, in `urls.rs`.

use std::time::Duration;

use duck::auth;
use duck::forms::is_picture;
use duck::prelude::*;
use duck::tasks::Task;
use garde::Validate;
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;

use crate::media::Media;

/// Longer than a request takes that adds a picture.
const A_REQUEST: Duration = Duration::from_hours(1);

/// An account, as views and templates see it. The hash of the password stays in the table.
#[derive(Clone, Serialize, sqlx::FromRow)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) name: String,
    picture: Option<String>,
}

/// What the form to sign up asks for.
#[derive(Deserialize, Validate)]
struct SignUp {
    #[garde(length(chars, max = 40), custom(name_of_a_person))]
    name: String,
    #[garde(length(chars, min = 8, max = 256))]
    password: String,
}

fn name_of_a_person<C>(name: &str, _: &C) -> garde::Result {
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err(garde::Error::new("must be a name"));
    }
    Ok(())
}

/// Adds an account, and logs its user in.
pub(crate) async fn sign_up(request: Request) -> Result<Response> {
    let form = request.form::<SignUp>().await?;
    if let Some(new) = form.valid() {
        let name = new.name.trim();
        if auth::sign_up(&request, name, &new.password).await? {
            let welcome = format!("Welcome, {name}.");
            request.session.flash(FlashLevel::Success, welcome).await?;
            return auth::redirect_next(&request, "home").await;
        }
        form.error("name", "is taken");
    }
    render(&request, "account/sign_up.html", context! { form }).await
}

/// What the form for a picture sends.
#[derive(Deserialize, Validate)]
struct NewPicture {
    #[garde(custom(is_picture))]
    picture: Upload,
}

/// A line of "where you are logged in".
#[derive(Serialize)]
struct Device {
    name: String,
    agent: Option<String>,
    is_current: bool,
}

/// The user's own page: their picture, which the form on it replaces, and where they are logged in.
pub(crate) async fn account(request: Request) -> Result<Response> {
    let user: User = request.require_user().await?;
    let form = request.form::<NewPicture>().await?;
    if let Some(NewPicture { picture }) = form.valid() {
        let media = request.state::<Media>()?;
        let picture = media.keep(&picture).await?;
        sqlx::query("UPDATE users SET picture = $2 WHERE id = $1")
            .bind(user.id)
            .bind(&picture)
            .execute(request.state::<SqlitePool>()?)
            .await?;
        if let Some(old) = user.picture {
            media.remove(&old).await?;
        }
        return redirect(&request, "account", ());
    }
    let sessions = request.session.sessions().await?.into_iter();
    let devices: Vec<_> = sessions
        .map(|session| Device {
            name: session.name,
            agent: session.agent,
            is_current: session.is_current,
        })
        .collect();
    let page = render(&request, "account/account.html", context! { form, devices }).await?;
    // After a logout, the browser's Back shows nothing of it.
    Ok(page.with_header("cache-control", "no-store")?)
}

/// Removes the pictures that no account has: of accounts that are gone, and of a request that was cut off between the
/// two steps of `account`. Every hour; `./example-site tasks run "sweep pictures"` does it now.
pub(crate) async fn sweep_pictures(task: Task) -> Result<()> {
    let media = task.state::<Media>()?;
    let older = media.older_than(A_REQUEST).await?; // before the query: one that is being added stays
    let used: Vec<String> =
        sqlx::query_scalar("SELECT picture FROM users WHERE picture IS NOT NULL")
            .fetch_all(task.state::<SqlitePool>()?)
            .await?;
    for name in older.iter().filter(|name| !used.contains(name)) {
        media.remove(name).await?;
    }
    Ok(())
}

/// Ends one of the user's sessions. The name of somebody else's does nothing.
pub(crate) async fn end_session(request: Request, name: String) -> Result<Response> {
    request.session.revoke(&name).await?;
    redirect(&request, "account", ())
}

/// Ends all of the user's sessions but this one.
pub(crate) async fn end_others(request: Request) -> Result<Response> {
    request.session.revoke_others().await?;
    redirect(&request, "account", ())
}
