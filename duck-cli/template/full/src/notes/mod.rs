//! Notes: a part of the site with a prefix, names, views and a table of its own.

pub mod store;
mod views;

use duck::auth::login_required;
use duck::prelude::*;

/// Everything below `/notes`, for users who are logged in; the names are `notes.index`, `notes.create` and so on.
#[rustfmt::skip] // a table: one line a URL
pub fn blueprint() -> Blueprint {
    Blueprint::new("notes").prefix("/notes").middleware(login_required).urls([
        path("/", views::index).name("index"),
        path("/new", views::create).name("create").methods([GET, POST]),
        path("/<id>", views::show).name("show"),
        path("/<id>/edit", views::edit).name("edit").methods([GET, POST]),
        path("/<id>/delete", views::delete).name("delete").methods([POST]),
    ])
}
