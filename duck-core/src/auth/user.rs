//! Who is logged in.

use super::erased::AnyUser;
use super::logins::Logins;
use super::refused::unauthorized;
use crate::error::Result;
use crate::http::request::Request;

/// The user that was found for a request.
#[derive(Clone)]
struct Found {
    id: String,
    user: Option<AnyUser>,
}

/// The user who is logged in.
pub(super) async fn find(request: &Request) -> Result<Option<AnyUser>> {
    let logins = Logins::of(request)?;
    match request.session.user().await? {
        Some(id) => look_up(request, logins, &id).await,
        None => Ok(None),
    }
}

/// The user of an id, looked up once a request.
pub(super) async fn look_up(
    request: &Request,
    logins: &Logins,
    id: &str,
) -> Result<Option<AnyUser>> {
    if let Some(found) = request.get::<Found>()
        && found.id == id
    {
        return Ok(found.user);
    }
    let user = logins.accounts.user(id).await?;
    request.insert(Found {
        id: id.to_owned(),
        user: user.clone(),
    });
    Ok(user)
}

impl Request {
    /// The user who is logged in: the `User` of the site's [`Accounts`](crate::auth::Accounts). `None` for
    /// visitors, and for users whose account is gone.
    ///
    /// ```
    /// # use duck::{Request, Result};
    /// # #[derive(Clone)] struct User { name: String }
    /// async fn home(request: Request) -> Result<String> {
    ///     Ok(match request.user::<User>().await? {
    ///         Some(user) => format!("Hello, {}", user.name),
    ///         None => "Hello".to_owned(),
    ///     })
    /// }
    /// ```
    ///
    /// It is looked up once a request, however often it is asked for. Whoever only needs the id has it,
    /// without a look at the accounts, from [`request.session.user()`](crate::Session::user).
    ///
    /// # Errors
    ///
    /// 500 where the site has no [`Auth`](crate::auth::Auth), or its users are of another type; and
    /// whatever the accounts and the session fail with.
    pub async fn user<U: Clone + 'static>(&self) -> Result<Option<U>> {
        let user = find(self).await?;
        user.map(|user| user.read()).transpose()
    }

    /// The user who is logged in, in a view that only users come to: behind
    /// [`login_required`](crate::auth::login_required) there always is one.
    ///
    /// ```
    /// # use duck::{Request, Result};
    /// # #[derive(Clone)] struct User { name: String }
    /// async fn account(request: Request) -> Result<String> {
    ///     let user: User = request.require_user().await?;
    ///     Ok(format!("Hello, {}", user.name))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// 401 where nobody is logged in; and as [`user`](Self::user).
    pub async fn require_user<U: Clone + 'static>(&self) -> Result<U> {
        let user = self.user().await?;
        user.ok_or_else(|| unauthorized().into())
    }
}
