//! Which view answers which path.

use duck::prelude::*;

use crate::{account, views};

pub(crate) fn urlpatterns() -> Vec<UrlPattern> {
    vec![
        path("/", views::home).name("home"),
        path("/hello/<name>", views::hello).name("hello"),
        path("/forget", views::forget)
            .name("forget")
            .methods([POST]),
        path("/guestbook", views::guestbook)
            .name("guestbook")
            .methods([GET, POST]),
        path("/api/me", views::me).name("me"),
        path("/login", account::login)
            .name("login")
            .methods([GET, POST]),
        path("/logout", account::logout)
            .name("logout")
            .methods([POST]),
        path("/account", account::devices).name("devices"),
        path("/account/end/<name>", account::end_session)
            .name("end-session")
            .methods([POST]),
        path("/account/end-others", account::end_others)
            .name("end-others")
            .methods([POST]),
    ]
}
