//! @NAME@, a site made with Duck.

mod about;
pub mod accounts;
pub mod database;
pub mod notes;
mod shop;
mod timing;
mod urls;
mod views;

use duck::auth::Auth;
use duck::prelude::*;
use duck_session::SessionMiddleware;

use crate::accounts::User;

/// The site: its settings, its components, what stands around every request, and its URLs.
pub fn app() -> App {
    App::from_settings("settings.toml")
        .with(duck::templates!())
        .with(StaticFiles::new())
        .middleware(timing::timing)
        .with(duck::database::sqlite(sqlx::migrate!()))
        .with(SessionMiddleware::new())
        .with(Auth::sqlite::<User>("users"))
        .with(shop::filters)
        .urls(urls::urlpatterns())
        .urls(notes::blueprint())
        .urls(shop::blueprint())
}
