//! Which view answers which URL.

use duck::prelude::*;

use crate::views;

#[rustfmt::skip] // a table: one line a URL
pub fn urlpatterns() -> Vec<UrlPattern> {
    vec![
        path("/", views::home).name("home"),
        path("/notes/new", views::create).name("note-new").methods([GET, POST]),
        path("/notes/<id>", views::note).name("note"),
        path("/api/notes", views::search).name("note-search"),
        path("/login", views::login).name("login").methods([GET, POST]),
        path("/logout", views::logout).name("logout").methods([POST]),
    ]
}
