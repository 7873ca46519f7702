//! @NAME@, a site made with Duck.

mod accounts;
mod urls;
mod views;

use duck::auth::Auth;
use duck::prelude::*;
use duck_session::SessionMiddleware;

/// The site: its settings, its components, and its URLs.
pub fn app() -> App {
    App::from_settings("settings.toml")
        .with(duck::templates!())
        .with(StaticFiles::new())
        .with(SessionMiddleware::new())
        .with(accounts::accounts)
        .with(Auth::new(|setup| {
            Ok(setup.get::<accounts::Owner>()?.clone())
        }))
        .urls(urls::urlpatterns())
}
