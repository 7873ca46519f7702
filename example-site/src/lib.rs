//! A site made with Duck: a visit counter, a small shop, accounts, notes in a database, an upload, a chat, JSON and a form.
//!
//! Start reading in `urls.rs`: it says which view answers which path. The pages are in `templates/`.

mod account;
mod live;
mod media;
mod notes;
mod shop;
mod urls;
mod views;

use duck::Health;
use duck::auth::Auth;
use duck::http::PrivateCookies;
use duck::metrics::Metrics;
use duck::middleware::Compression;
use duck::prelude::*;
use duck::tasks::Tasks;
use duck_session::SessionMiddleware;

use crate::account::User;

/// The site: its settings, its parts in the order in which they start, and its URLs.
pub fn app() -> App {
    App::from_settings("settings.toml")
        .with(Metrics::new())
        .with(Health::new())
        .with(duck::templates!())
        .with(Compression::new())
        .with(StaticFiles::new())
        .with(PrivateCookies::new())
        .with(media::media)
        .with(duck::database::sqlite(sqlx::migrate!()))
        .with(SessionMiddleware::new())
        .with(Auth::sqlite::<User>("users"))
        .with(shop::shop)
        .with(live::live)
        .with(Tasks::new().every("1h", "sweep pictures", account::sweep_pictures))
        .urls(urls::urlpatterns())
        .urls(notes::blueprint())
}

/// The examples of the README and the guide, compiled and run by `cargo test`.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../README.md")]
    mod readme {}
    #[doc = include_str!("../../docs/README.md")]
    mod contents {}
    #[doc = include_str!("../../docs/getting-started.md")]
    mod getting_started {}
    #[doc = include_str!("../../docs/views-and-urls.md")]
    mod views_and_urls {}
    #[doc = include_str!("../../docs/templates.md")]
    mod templates {}
    #[doc = include_str!("../../docs/static-files.md")]
    mod static_files {}
    #[doc = include_str!("../../docs/errors.md")]
    mod errors {}
    #[doc = include_str!("../../docs/forms.md")]
    mod forms {}
    #[doc = include_str!("../../docs/sessions.md")]
    mod sessions {}
    #[doc = include_str!("../../docs/logins.md")]
    mod logins {}
    #[doc = include_str!("../../docs/limits.md")]
    mod limits {}
    #[doc = include_str!("../../docs/storages.md")]
    mod storages {}
    #[doc = include_str!("../../docs/from-one-machine-to-many.md")]
    mod from_one_machine_to_many {}
    #[doc = include_str!("../../docs/writing-a-cache.md")]
    mod writing_a_cache {}
    #[doc = include_str!("../../docs/live.md")]
    mod live {}
    #[doc = include_str!("../../docs/database.md")]
    mod database {}
    #[doc = include_str!("../../docs/composition.md")]
    mod composition {}
    #[doc = include_str!("../../docs/tasks.md")]
    mod tasks {}
    #[doc = include_str!("../../docs/testing.md")]
    mod testing {}
    #[doc = include_str!("../../docs/settings.md")]
    mod settings {}
    #[doc = include_str!("../../docs/security.md")]
    mod security {}
    #[doc = include_str!("../../docs/headers.md")]
    mod headers {}
    #[doc = include_str!("../../docs/private-cookies.md")]
    mod private_cookies {}
    #[doc = include_str!("../../docs/compression.md")]
    mod compression {}
    #[doc = include_str!("../../docs/deploying.md")]
    mod deploying {}
    #[doc = include_str!("../../docs/https.md")]
    mod https {}
    #[doc = include_str!("../../docs/logging.md")]
    mod logging {}
    #[doc = include_str!("../../docs/monitoring.md")]
    mod monitoring {}
    #[doc = include_str!("../../docs/operating.md")]
    mod operating {}
    #[doc = include_str!("../../docs/coming-from-django.md")]
    mod coming_from_django {}
    #[doc = include_str!("../../docs/coming-from-flask.md")]
    mod coming_from_flask {}
    #[doc = include_str!("../../docs/coming-from-rails.md")]
    mod coming_from_rails {}
    #[doc = include_str!("../../docs/from-python-duck.md")]
    mod from_python_duck {}
}
