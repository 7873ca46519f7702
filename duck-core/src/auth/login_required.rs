//! Pages for users who are logged in.

use super::logins::Logins;
use super::next::login_url;
use super::refused::unauthorized;
use super::user;
use crate::error::Result;
use crate::http::parameters::essence;
use crate::http::redirect::redirect_to;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::middleware::Next;

/// What a browser says a request is for where it shows the answer as a page (Fetch Metadata, `Sec-Fetch-Dest`).
const PAGES: [&str; 5] = ["document", "iframe", "frame", "embed", "object"];

/// A middleware that only lets in who is logged in: around a view, a blueprint or the whole site.
///
/// ```
/// use duck::auth::login_required;
/// use duck::{App, Blueprint, Request, Settings, path};
///
/// async fn account(request: Request) -> &'static str { "yours" }
/// async fn orders(request: Request) -> &'static str { "yours, too" }
///
/// let one = path("/account", account).middleware(login_required);
/// let some = Blueprint::new("shop").urls([path("/orders", orders)]).middleware(login_required);
/// ```
///
/// A browser that asks for a page is sent to the login page (303), with `?next=` and the page's own path
/// where it asked with `GET`: see [`redirect_next`](super::redirect_next). Whoever asks for anything else (a
/// script, an image, a program that sends or takes JSON) gets a 401.
///
/// Around the site, the login page is let through, and with it all that
/// [`UrlPattern::public`](crate::UrlPattern::public) says of: static files are, a page to sign up has to be
/// told. It goes behind the sessions: `App::with(SessionMiddleware::new())` first, then
/// `App::middleware(login_required)`.
///
/// # Errors
///
/// 401, as said; 500 where no URL pattern has the name of the login page; and whatever the accounts and the
/// session fail with.
pub async fn login_required(request: Request, next: Next<'_>) -> Result<Response> {
    let logins = Logins::of(&request)?;
    if request.route().public
        || logins.is_login_page(&request)
        || user::find(&request).await?.is_some()
    {
        return Ok(next.run(request).await);
    }
    send_to_login(&request)
}

/// The answer to whoever is not logged in: the way to the login page, or a 401.
pub(super) fn send_to_login(request: &Request) -> Result<Response> {
    if asks_for_page(request) {
        redirect_to(login_url(request)?)
    } else {
        Err(unauthorized().into())
    }
}

/// Whether the answer would be shown to somebody who can log in.
fn asks_for_page(request: &Request) -> bool {
    match request.header("sec-fetch-dest") {
        Some(what) => PAGES.contains(&what),
        None => request.accepts("text/html") && !is_from_script(request),
    }
}

/// Whether a request without Fetch Metadata is one that no link or form makes.
fn is_from_script(request: &Request) -> bool {
    let body = request.header("content-type").map(essence);
    let is_json = body.is_some_and(|body| body.ends_with("json"));
    is_json || request.headers().contains_key("x-requested-with")
}
