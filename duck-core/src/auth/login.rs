//! Logging in and out.

use std::fmt::Display;

use super::accounts::Credentials;
use super::login_required::unauthorized;
use super::logins::Logins;
use super::password::{self, Checked};
use super::refused::Refused;
use super::throttle::Try;
use super::user;
use crate::error::Result;
use crate::http::request::Request;

/// How many bytes a name has at most: as many as an address of mail (RFC 5321, 4.5.3.1.3).
const LONGEST_NAME: usize = 254;

/// Logs a visitor in who knows a name and its password. `Ok(Err(refused))` is the answer to one who does
/// not, with words for the form.
///
/// ```
/// use duck::{Request, Response, Result, StatusCode, auth, text};
///
/// #[derive(serde::Deserialize)]
/// struct Login {
///     name: String,
///     password: String,
/// }
///
/// async fn login(request: Request) -> Result<Response> {
///     let form: Login = request.form_as().await?;
///     match auth::login(&request, &form.name, &form.password).await? {
///         Ok(()) => auth::redirect_next(&request, "home").await,
///         Err(refused) => Ok(text(refused.to_string()).with_status(StatusCode::UNPROCESSABLE_ENTITY)),
///     }
/// }
/// ```
///
/// The session gets a new id and keeps what the visitor had in it; what another user had in it goes
/// ([`Session::login`](crate::Session::login)). A hash that cost less than one costs today is made anew, and
/// with that the user's other sessions end, this once.
///
/// It takes the same time whether there is a user of that name or not. Refused without a comparison: a name
/// of more than 254 bytes or with a control character, a password of more than 1,024 bytes, and whoever has
/// to wait. Five wrong tries of a name from one address are let through, then one every 30 seconds; 50 from
/// one address for all names together, then ten a minute. Upper and lower case of a name are one, and so is
/// an IPv6 network of 64 bits. From elsewhere the same user can log in meanwhile. Each process of a site
/// counts for itself, and behind a proxy that `TRUSTED_PROXIES` does not name, all visitors are one.
///
/// # Errors
///
/// 503 with too many logins waiting for a core; and whatever the accounts and the session fail with.
pub async fn login(request: &Request, name: &str, password: &str) -> Result<Result<(), Refused>> {
    let logins = Logins::of(request)?;
    if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Ok(refuse(request, Refused::Wrong));
    }
    let attempt = match logins.throttle.count(name, request.client_ip()) {
        Ok(attempt) => attempt,
        Err(refused) => return Ok(refuse(request, refused)),
    };
    let found = find(request, logins, name, password).await;
    let Some(id) = settle(attempt, found)? else {
        return Ok(refuse(request, Refused::Wrong));
    };
    login_as(request, id).await?;
    Ok(Ok(()))
}

/// Logs a visitor in as the user of this id, without a password: after they signed up, or proved who they
/// are in another way.
///
/// ```
/// # use duck::{Request, Response, Result, auth, redirect};
/// # async fn insert_user(name: &str, hash: &str) -> Result<u64> { Ok(1) }
/// async fn sign_up(request: Request) -> Result<Response> {
///     let (name, password) = ("ada", "correct horse battery staple"); // from a form
///     let id = insert_user(name, &auth::hash(password).await?).await?;
///     auth::login_as(&request, id).await?;
///     redirect(&request, "home", ())
/// }
/// ```
///
/// The session gets a new id, as with [`login`].
///
/// # Errors
///
/// What the session fails with.
pub async fn login_as(request: &Request, id: impl Display) -> Result<()> {
    Ok(request.session.login(id).await?)
}

/// Logs out: the session ends, and everything in it goes.
///
/// # Errors
///
/// What the session fails with.
pub async fn logout(request: &Request) -> Result<()> {
    Ok(request.session.logout().await?)
}

/// Gives the user who is logged in a new password, if `old` is the one they have. Their other sessions are
/// over then; this one goes on under a new id.
///
/// Wrong passwords count as they do at [`login`]: who finds a browser open has no more tries than elsewhere.
///
/// # Errors
///
/// 401 where nobody is logged in; 422 and 503 as [`hash`](super::hash); and whatever the accounts and the
/// session fail with.
pub async fn change_password(
    request: &Request,
    old: &str,
    new: &str,
) -> Result<Result<(), Refused>> {
    let logins = Logins::of(request)?;
    let Some(id) = request.session.user().await? else {
        return Err(unauthorized().into());
    };
    let attempt = match logins.throttle.count(&id, request.client_ip()) {
        Ok(attempt) => attempt,
        Err(refused) => return Ok(refuse(request, refused)),
    };
    let known = knows(logins, &id, old).await;
    if settle(attempt, known)?.is_none() {
        return Ok(refuse(request, Refused::Wrong));
    }
    let hash = password::hash(new).await?;
    logins.accounts.set_hash(&id, &hash).await?;
    login_as(request, id).await?;
    Ok(Ok(()))
}

/// The id of the user who has this name and this password.
async fn find(
    request: &Request,
    logins: &Logins,
    name: &str,
    password: &str,
) -> Result<Option<String>> {
    let credentials = logins.accounts.credentials(name).await?;
    let (id, hash) = credentials
        .map(|Credentials { id, hash }| (id, hash))
        .unzip();
    let checked = password::check(password, hash.clone()).await?;
    let (Some(id), Some(hash)) = (id, hash) else {
        return Ok(None);
    };
    if !is_right(logins, &id, hash, checked).await? {
        return Ok(None);
    }
    let user = user::look_up(request, logins, &id).await?;
    Ok(user.map(|_| id))
}

/// Whether a user has this password.
async fn knows(logins: &Logins, id: &str, password: &str) -> Result<Option<()>> {
    let hash = logins.accounts.hash(id).await?;
    let checked = password::check(password, hash).await?;
    let is_right = matches!(checked, Checked::Right | Checked::RightButOld(_));
    Ok(is_right.then_some(()))
}

/// Whether a password was the right one. Where its hash is old, it gets the new one.
async fn is_right(logins: &Logins, id: &str, old: String, checked: Checked) -> Result<bool> {
    match checked {
        Checked::Right => Ok(true),
        Checked::RightButOld(new) => {
            // Nobody's new password is to be undone: it may have come meanwhile.
            if logins.accounts.hash(id).await? == Some(old) {
                logins.accounts.set_hash(id, &new).await?;
            }
            Ok(true)
        }
        Checked::Wrong => Ok(false),
        Checked::NoHash => {
            if !old.is_empty() && !old.starts_with('!') {
                tracing::warn!(target: "duck::auth", user = id, "what is stored as the hash of a password is none of argon2: nobody can log in with it");
            }
            Ok(false)
        }
    }
}

/// Takes a try back, unless it was a wrong one.
fn settle<T>(attempt: Try<'_>, outcome: Result<Option<T>>) -> Result<Option<T>> {
    if !matches!(outcome, Ok(None)) {
        attempt.was_not_wrong();
    }
    outcome
}

/// Tells the log. The name is left out: now and then it is a password, typed into the wrong field.
fn refuse<T>(request: &Request, refused: Refused) -> Result<T, Refused> {
    let address = request.client_ip().map(tracing::field::display);
    match refused {
        Refused::Wrong => {
            tracing::info!(target: "duck::auth", address, "a login was refused: the name or the password is wrong");
        }
        Refused::Wait(seconds) => {
            tracing::info!(target: "duck::auth", address, seconds, "a login was refused: there were too many tries");
        }
    }
    Err(refused)
}
