//! {{ name }}, a site made with Duck.

mod about;
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
        .with(SessionMiddleware::new())
        .urls(urls::urlpatterns())
        .urls(shop::blueprint())
}
