//! `?next=`: where a visitor was going when they had to log in.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::logins::Logins;
use crate::error::Result;
use crate::http::fields::Fields;
use crate::http::parameters::essence;
use crate::http::redirect::{redirect, redirect_to};
use crate::http::request::Request;
use crate::http::response::Response;

/// The name of the field, in the query and in forms.
const NEXT: &str = "next";

/// How long a path may be that is carried along: the address of the login page holds it, encoded.
const LONGEST: usize = 2_000;

/// What stands in the value of a query as it is, besides letters and digits.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Sends a visitor who has logged in to where they were going: to the `next` of the query or else of the
/// form, or without one to the page of this name.
///
/// `next` is a path of this site, by the rule of [`redirect_to`](crate::redirect_to): anything that a browser
/// would take for another site is passed over (`https://…`, `//host`, `/\host`, `javascript:…`, what has a
/// control character in it), and so is the login page itself. So a form without an `action` keeps it, and
/// nothing has to be written into the template.
///
/// ```
/// # use duck::{Request, Response, Result, auth};
/// async fn logged_in(request: Request) -> Result<Response> {
///     auth::redirect_next(&request, "home").await
/// }
/// ```
///
/// # Errors
///
/// 500 when no URL pattern has that name.
pub async fn redirect_next(request: &Request, name: &str) -> Result<Response> {
    redirect_next_or(request, || redirect(request, name, ())).await
}

/// The same with another answer for who was going nowhere.
pub(super) async fn redirect_next_or(
    request: &Request,
    or: impl FnOnce() -> Result<Response>,
) -> Result<Response> {
    let login = Logins::of(request)?.url(request)?;
    let there = |next: String| {
        let path = next.split(['?', '#']).next().unwrap_or_default();
        let is_login = path.trim_end_matches('/') == login.trim_end_matches('/');
        (!is_login).then(|| redirect_to(next).ok()).flatten()
    };
    let asked = request.query_value(NEXT).and_then(there);
    let asked = match asked {
        Some(response) => Some(response),
        None => in_form(request).await.and_then(there),
    };
    match asked {
        Some(response) => Ok(response),
        None => or(),
    }
}

/// A body that is no form (JSON, an upload) has no `next` in it, and neither has one that cannot be read:
/// whoever needs more of it says so.
async fn in_form(request: &Request) -> Option<String> {
    let media_type = request.header("content-type")?;
    if essence(media_type) != "application/x-www-form-urlencoded" {
        return None;
    }
    let body = request.bytes().await.ok()?;
    Fields::parse(&body, request.limits().max_fields)?.first(NEXT)
}

/// The address of the login page, with the way back to the page of this request where that can be asked
/// for again.
pub(super) fn login_url(request: &Request) -> Result<String> {
    let login = Logins::of(request)?.url(request)?;
    let here = request
        .uri()
        .path_and_query()
        .filter(|here| can_be_asked_for(request) && here.as_str().len() <= LONGEST);
    Ok(match here {
        Some(here) => format!(
            "{login}?{NEXT}={}",
            utf8_percent_encode(here.as_str(), ENCODED)
        ),
        None => login,
    })
}

/// Whether a browser that follows a link asks for the same.
fn can_be_asked_for(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}
