//! Which view answers which path.

use duck::auth::{login_required, login_view, logout_view, password_view};
use duck::middleware::RateLimit;
use duck::prelude::*;

use crate::{account, views};

#[rustfmt::skip] // a table: one line a URL
pub(crate) fn urlpatterns() -> Vec<UrlPattern> {
    let few_accounts = RateLimit::new("20/hour").methods([POST]);
    vec![
        path("/", views::home).name("home"),
        path("/hello/<name>", views::hello).name("hello"),
        path("/forget", views::forget).name("forget").methods([POST]),
        path("/guestbook", views::guestbook).name("guestbook").methods([GET, POST]),
        path("/api/me", views::me).name("me"),
        path("/sign-up", account::sign_up).name("sign-up").methods([GET, POST]).limit(few_accounts),
        path("/login", login_view("account/login.html")).name("login"),
        path("/logout", logout_view()).name("logout"),
        path("/account", account::account).name("account").methods([GET, POST]).middleware(login_required),
        path("/account/password", password_view("account/password.html").then("account")).name("password"),
        path("/account/end/<name>", account::end_session).name("end-session").methods([POST]),
        path("/account/end-others", account::end_others).name("end-others").methods([POST]),
    ]
}
