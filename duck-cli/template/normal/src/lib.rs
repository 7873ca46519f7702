//! @NAME@, a site made with Duck.

mod urls;
mod views;

use duck::prelude::*;
use duck_session::SessionMiddleware;

/// The site: its settings, what stands around every request, and its URLs.
pub fn app() -> App {
    App::from_settings("settings.toml")
        .with(StaticFiles::new())
        .with(SessionMiddleware::new())
        .urls(urls::urlpatterns())
}
