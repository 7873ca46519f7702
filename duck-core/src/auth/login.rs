//! Logging in and out.

use std::fmt::Display;

use http::StatusCode;

use super::accounts::Credentials;
use super::logins::Logins;
use super::password::{self, Checked};
use super::refused::{Refused, unauthorized};
use super::throttle::Try;
use super::user;
use crate::error::{Error, Result};
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
/// ([`Session::login`](crate::Session::login)), and it is saved here. A hash that cost less than one costs
/// today is made anew.
///
/// It takes the same time whether there is a user of that name or not. Refused without a comparison: a name
/// of more than 254 bytes or with a control character, a password of more than 1,024 bytes, and whoever has
/// to wait. Five wrong tries of a name from one address are let through, then one every 30 seconds; 50 from
/// one address for all names together, then ten a minute. Names with the same letters and digits are one here,
/// whatever else is in them, and so is an IPv6 network of 64 bits. From elsewhere the same user can log in
/// meanwhile. Each process of a site counts for itself, and behind a proxy that `TRUSTED_PROXIES` does not name, all
/// visitors are one.
///
/// # Errors
///
/// 503 with too many logins waiting for a core; and whatever the accounts and the session fail with.
pub async fn login(request: &Request, name: &str, password: &str) -> Result<Result<(), Refused>> {
    let logins = Logins::of(request)?;
    if cannot_log_in(name) {
        return Ok(refuse(request, Refused::Wrong));
    }
    let attempt = match logins.throttle.count(name, request.client_ip()) {
        Ok(attempt) => attempt,
        Err(refused) => return Ok(refuse(request, refused)),
    };
    let found = find(request, logins, name, password).await;
    let Some(Credentials { id, hash }) = settle(attempt, found)? else {
        return Ok(refuse(request, Refused::Wrong));
    };
    begin(request, logins, &id, &hash).await
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

/// Adds a user with a password, and logs the visitor in as that user. `false` where the name is taken.
///
/// ```
/// use duck::{Request, Response, Result, StatusCode, auth, redirect, text};
///
/// #[derive(serde::Deserialize)]
/// struct SignUp {
///     name: String,
///     password: String,
/// }
///
/// async fn sign_up(request: Request) -> Result<Response> {
///     let form: SignUp = request.form_as().await?;
///     if auth::sign_up(&request, &form.name, &form.password).await? {
///         return redirect(&request, "home", ());
///     }
///     Ok(text("This name is taken.").with_status(StatusCode::UNPROCESSABLE_ENTITY))
/// }
/// ```
///
/// What a name may be is for the view to say; `sign_up_view` is one that is ready. The user is added by
/// [`Accounts::add`](super::Accounts::add), and the session gets a new id, as with [`login`].
///
/// # Errors
///
/// 422 for a name that [`login`] would refuse: one of nothing but spaces, of more than 254 bytes, or with a control
/// character. 422 and 503 as [`hash`](super::hash); 500 where the accounts have no `add`; and whatever they and the session fail with.
pub async fn sign_up(request: &Request, name: &str, password: &str) -> Result<bool> {
    let logins = Logins::of(request)?;
    if name.trim().is_empty() || cannot_log_in(name) {
        let rule = "a name has 1 to 254 bytes, and no control characters";
        return Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY, rule));
    }
    let hash = password::hash(password).await?;
    match logins.accounts.add(name, &hash).await? {
        Some(id) => login_as(request, id).await.map(|()| true),
        None => Ok(false),
    }
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
    let replaced = replace(logins, &id, old, new).await;
    let Some(hash) = settle(attempt, replaced)? else {
        return Ok(refuse(request, Refused::Wrong));
    };
    begin(request, logins, &id, &hash).await
}

/// Begins a session of a user whose password has this hash. The session is bound to the hash that is stored
/// when it is saved: where that is of another password by then, it would outlive the one it began with.
async fn begin(
    request: &Request,
    logins: &Logins,
    id: &str,
    hash: &str,
) -> Result<Result<(), Refused>> {
    login_as(request, id).await?;
    request.session.save().await?;
    let stored = logins.accounts.hash(id).await?;
    if stored.is_some_and(|stored| password::stamp(&stored) == password::stamp(hash)) {
        return Ok(Ok(()));
    }
    logout(request).await?;
    Ok(refuse(request, Refused::Wrong))
}

/// Whether nobody is looked up by such a name.
fn cannot_log_in(name: &str) -> bool {
    name.len() > LONGEST_NAME || name.chars().any(char::is_control)
}

/// The user who has this name and this password.
async fn find(
    request: &Request,
    logins: &Logins,
    name: &str,
    password: &str,
) -> Result<Option<Credentials>> {
    let Some(found) = logins.accounts.credentials(name).await? else {
        password::check(password, None).await?;
        return Ok(None);
    };
    match password::check(password, Some(found.hash.clone())).await? {
        Checked::Right => {}
        // Where it is not replaced, another login was faster, or there is a new password: `begin` tells them
        // apart.
        Checked::RightButOld(new) => {
            logins
                .accounts
                .set_hash(&found.id, &found.hash, &new)
                .await?;
        }
        Checked::Wrong => return Ok(None),
        Checked::NoHash => {
            warn_of_hash(&found);
            return Ok(None);
        }
    }
    let user = user::look_up(request, logins, &found.id).await?;
    Ok(user.map(|_| found))
}

fn warn_of_hash(Credentials { id, hash }: &Credentials) {
    if !hash.is_empty() && !hash.starts_with('!') {
        tracing::warn!(target: "duck::auth", user = id, "what is stored as the hash of a password is none of argon2: nobody can log in with it");
    }
}

/// Gives a user who has the `old` password a new one: its hash. `None` for one who has another.
async fn replace(logins: &Logins, id: &str, old: &str, new: &str) -> Result<Option<String>> {
    // A login may make the hash anew at this moment, and does so once.
    for _ in 0..2 {
        let stored = logins.accounts.hash(id).await?;
        let checked = password::check(old, stored.clone()).await?;
        let (Some(stored), Checked::Right | Checked::RightButOld(_)) = (stored, checked) else {
            return Ok(None);
        };
        let hash = password::hash(new).await?;
        if logins.accounts.set_hash(id, &stored, &hash).await? {
            return Ok(Some(hash));
        }
    }
    Err(Error::internal(
        "`Accounts::set_hash` did not replace the hash that `Accounts::hash` gave",
    ))
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
