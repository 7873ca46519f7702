//! Users who log in: feature `auth`.
//!
//! Duck has no table of users. A site says where its users are ([`Accounts`]), and adds them with
//! [`Auth`]; passwords, sessions and the limits on guessing are Duck's. The guide is `docs/logins.md`.

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
mod throttle;
mod tries;
mod user;

pub use self::accounts::{Accounts, Credentials};
pub use self::component::Auth;
pub use self::login::{change_password, login, login_as, logout};
pub use self::login_required::login_required;
#[cfg(feature = "forms")]
pub use self::login_view::{LoginView, login_view};
pub use self::logout_view::{LogoutView, logout_view};
pub use self::next::redirect_next;
pub use self::password::hash;
#[cfg(feature = "forms")]
pub use self::password_view::{PasswordView, password_view};
pub use self::refused::Refused;
