//! @NAME@, a site made with Duck.

mod about;
pub mod accounts;
pub mod database;
pub mod notes;
mod shop;
mod timing;
mod urls;
mod views;

use duck::prelude::*;
use duck_session::SessionMiddleware;

/// The site: its settings, what stands around every request, and its URLs.
pub fn app() -> App {
    App::from_settings("settings.toml")
        .with(StaticFiles::new())
        .middleware(timing::timing)
        .with(database::database)
        .with(SessionMiddleware::new())
        .urls(urls::urlpatterns())
        .urls(notes::blueprint())
        .urls(shop::blueprint())
}
