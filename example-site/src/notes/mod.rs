//! Notes, kept in the database: everybody who is logged in has their own.

mod store;
mod views;

use duck::auth::login_required;
use duck::middleware::RateLimit;
use duck::prelude::*;

/// The pages of the notes, under `/notes`, named `notes.…`.
#[rustfmt::skip] // a table: one line a URL
pub(crate) fn blueprint() -> Blueprint {
    let not_without_end = RateLimit::new("60/hour").methods([POST]).per_user();
    Blueprint::new("notes").middleware(login_required).urls([
        path("/", views::index).name("index"),
        path("/new", views::create).name("create").methods([GET, POST]).limit(not_without_end),
        path("/<id>", views::show).name("show"),
        path("/<id>/edit", views::edit).name("edit").methods([GET, POST]),
        path("/<id>/delete", views::delete).name("delete").methods([POST]),
    ])
}
