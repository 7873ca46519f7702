//! Which view answers which URL.

use duck::auth::{login_required, login_view, logout_view};
use duck::prelude::*;

use crate::views;

#[rustfmt::skip] // a table: one line a URL
pub fn urlpatterns() -> Vec<UrlPattern> {
    vec![
        path("/", views::home).name("home"),
        path("/notes/", views::notes).name("notes"),
        path("/notes/new", views::create).name("note-new").methods([GET, POST]),
        path("/notes/<id>", views::note).name("note"),
        path("/notes/<id>/delete", views::delete).name("note-delete").methods([POST]),
        path("/api/notes", views::search).name("note-search"),
        path("/account", views::account).name("account").middleware(login_required),
        path("/login", login_view("login.html").then("account")).name("login"),
        path("/logout", logout_view()).name("logout"),
    ]
}
