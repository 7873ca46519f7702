//! Which view answers which URL. Those of the notes and the shop are in `mod.rs` of their folders.

use duck::prelude::*;

use crate::about::About;
use crate::views;

#[rustfmt::skip] // a table: one line a URL
pub fn urlpatterns() -> Vec<UrlPattern> {
    vec![
        path("/", views::home).name("home"),
        path("/about", class_view(About)).name("about"),
        path("/login", views::login).name("login").methods([GET, POST]),
        path("/logout", views::logout).name("logout").methods([POST]),
    ]
}
