//! The views around the notes and the shop.

use duck::prelude::*;
use serde::Deserialize;

use crate::accounts;
use crate::database::Pool;

/// How often this visitor came.
pub async fn home(request: Request) -> Result<Response> {
    let visits = request
        .session
        .update("visits", |n: &mut u32| *n += 1)
        .await?;
    let greeting = match user(&request).await? {
        Some(user) => format!("<p>Hello {}.</p>\n{LOGOUT_FORM}", escape_html(&user.name)),
        None => "<p><a href=\"/login\">Log in</a></p>".to_owned(),
    };
    let links = r#"<p><a href="/notes/">Notes</a> · <a href="/shop/">Shop</a></p>"#;
    let body = format!("<h1>Visit {visits}</h1>\n{greeting}\n{links}");
    Ok(page("Home", &body))
}

/// The account that this visitor is logged in to.
pub async fn user(request: &Request) -> Result<Option<accounts::User>> {
    let Some(id) = request.session.user().await? else {
        return Ok(None);
    };
    let id = id.parse().or_500("reading the number of a user")?;
    Ok(accounts::user(request.state::<Pool>()?, id).await?)
}

/// The number of the visitor's account; a 403 for whoever is not logged in.
pub async fn visitor(request: &Request) -> Result<i64> {
    let forbidden = || Error::new(StatusCode::FORBIDDEN, "log in first");
    Ok(user(request).await?.ok_or_else(forbidden)?.id)
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
    let pool = request.state::<Pool>()?;
    // Here a site that means it checks a password. This one lets everybody in.
    if let Some(account) = accounts::credentials(pool, name.trim()).await? {
        request.session.login(account.id.to_string()).await?;
    } else if let Some(user) = accounts::sign_up(pool, name.trim(), "").await? {
        request.session.login(user.id.to_string()).await?;
    }
    redirect(&request, "home", ())
}

/// Forgets all that was kept for this visitor, and the session id.
pub async fn logout(request: Request) -> Result<Response> {
    request.session.logout().await?;
    redirect(&request, "home", ())
}

const LOGIN_FORM: &str = r#"<form method="post" action="/login">
<label>Name <input name="name" maxlength="80" required></label>
<button>Log in</button>
</form>"#;

const LOGOUT_FORM: &str = r#"<form method="post" action="/logout"><button>Log out</button></form>"#;

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
