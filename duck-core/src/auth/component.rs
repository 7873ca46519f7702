//! Logins as a part of a site.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use super::accounts::Accounts;
use super::erased::ErasedAccounts;
use super::logins::Logins;
use super::password;
use super::throttle::Throttle;
#[cfg(feature = "templates")]
use super::user;
use crate::app::component::Component;
use crate::app::setup::Setup;
use crate::error::{Error, Result};
use crate::session::AuthHash;

/// Lets a site's users log in. Add it with `App::with`, after the `SessionMiddleware` and after what its
/// accounts take, such as a database pool.
///
/// ```no_run
/// # use duck::auth::{Accounts, Credentials};
/// # use duck::{Result, Setup};
/// # #[derive(Clone)] struct Pool;
/// # struct Users(Pool);
/// # impl Accounts for Users {
/// #     type User = String;
/// #     async fn credentials(&self, _: &str) -> Result<Option<Credentials>> { Ok(None) }
/// #     async fn hash(&self, _: &str) -> Result<Option<String>> { Ok(None) }
/// #     async fn user(&self, _: &str) -> Result<Option<String>> { Ok(None) }
/// #     async fn set_hash(&self, _: &str, _: &str, _: &str) -> Result<bool> { Ok(true) }
/// # }
/// use duck::auth::Auth;
///
/// let auth = Auth::new(|setup| Ok(Users(setup.get::<Pool>()?.clone())));
/// ```
///
/// Templates have `user` from it: the [`User`](Accounts::User) who is logged in, or `none`. A page whose
/// template does not use it pays nothing for it.
///
/// A user's sessions end when their password changes; not when a login makes its hash anew, as hashes cost
/// more by then. Where the site has given `SessionMiddleware::auth_hash` something else, that counts.
///
/// The setting `LOGIN_URL` is the name of the login page's URL pattern: `login` where it is not set.
pub struct Auth {
    open: Box<Open>,
}

type Open = dyn FnOnce(&Setup<'_>) -> Result<Arc<dyn ErasedAccounts>> + Send;

/// What logins read of the settings.
#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct AuthSettings {
    #[serde(default = "login")]
    login_url: String,
}

fn login() -> String {
    "login".to_owned()
}

impl Auth {
    /// Logins for the users of these accounts, which are made when the site starts.
    pub fn new<A: Accounts>(open: impl FnOnce(&Setup<'_>) -> Result<A> + Send + 'static) -> Self {
        Self {
            open: Box::new(|setup| Ok(Arc::new(open(setup)?))),
        }
    }
}

// The compiler would name it where something is no component, and only with the feature.
#[diagnostic::do_not_recommend]
impl Component for Auth {
    async fn start(self, setup: &mut Setup<'_>) -> Result<()> {
        let AuthSettings { login_url } = setup.part()?;
        let accounts = (self.open)(setup)?;
        let auth_hash = setup.get::<AuthHash>().map_err(|_| {
            Error::internal("logins need sessions: add `SessionMiddleware` before `Auth`")
        })?;
        let hashes = Arc::clone(&accounts);
        auth_hash.set(move |user: String| {
            let accounts = Arc::clone(&hashes);
            async move {
                let hash = accounts.hash(&user).await?;
                Ok(hash.map(|hash| password::stamp(&hash)))
            }
        });
        #[cfg(feature = "templates")]
        setup.template_value("user", async |request| {
            let user = user::find(&request).await?;
            Ok(user.map(|user| user.value()))
        });
        setup.insert(Logins {
            accounts,
            throttle: Throttle::new(),
            page: login_url,
        });
        Ok(())
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}
