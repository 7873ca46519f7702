//! Which view answers which URL. Those of the notes and the shop are in `mod.rs` of their folders.

use duck::auth::{login_view, logout_view, password_view};
use duck::prelude::*;

use crate::about::About;
use crate::views;

#[rustfmt::skip] // a table: one line a URL
pub fn urlpatterns() -> Vec<UrlPattern> {
    vec![
        path("/", views::home).name("home"),
        path("/about", class_view(About)).name("about"),
        path("/sign-up", views::sign_up).name("sign-up").methods([GET, POST]),
        path("/login", login_view("login.html").then("notes.index")).name("login"),
        path("/password", password_view("password.html").then("notes.index")).name("password"),
        path("/logout", logout_view()).name("logout"),
    ]
}
