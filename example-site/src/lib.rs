//! A site made with Duck: a visit counter, a small shop, a login, JSON and a form.
//!
//! Start reading in `urls.rs`: it says which view answers which path.

mod account;
mod page;
mod shop;
mod urls;
mod views;

use duck::App;
use duck_session::SessionMiddleware;

/// The site: its settings, its sessions, its goods and its URLs.
pub fn app() -> App {
    App::from_settings("settings.toml")
        .static_files()
        .middleware(SessionMiddleware::new())
        .state(shop::Shop::new())
        .urls(urls::urlpatterns())
        .urls(shop::blueprint())
}

/// The code of the README, compiled and run.
#[cfg(doctest)]
mod readme {
    #[doc = include_str!("../../README.md")]
    pub(crate) struct Readme;
}
