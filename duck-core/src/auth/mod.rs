//! Users who log in: feature `auth`.
//!
//! The table of users is the site's. [`Auth`] is told where it is: by its name, or by [`Accounts`]. Passwords, sessions
//! and the limits on guessing are Duck's. The guide is `docs/logins.md`.

mod accounts;
mod component;
mod erased;
mod landing;
mod login;
mod login_required;
#[cfg(feature = "forms")]
mod login_view;
mod logins;
mod logout_view;
mod next;
mod password;
#[cfg(feature = "forms")]
mod password_view;
mod queue;
mod refused;
#[cfg(feature = "forms")]
mod sign_up_view;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod table;
mod throttle;
mod user;

pub use self::accounts::{Accounts, Credentials};
pub use self::component::Auth;
pub use self::login::{change_password, login, login_as, logout, sign_up};
pub use self::login_required::login_required;
#[cfg(feature = "forms")]
pub use self::login_view::{LoginView, login_view};
pub use self::logout_view::{LogoutView, logout_view};
pub use self::next::redirect_next;
pub use self::password::hash;
#[cfg(feature = "forms")]
pub use self::password_view::{PasswordView, password_view};
pub use self::refused::Refused;
#[cfg(feature = "forms")]
pub use self::sign_up_view::{SignUpView, sign_up_view};
