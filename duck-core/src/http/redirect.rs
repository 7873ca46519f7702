//! Sending a visitor elsewhere.

use std::fmt::Display;

use http::{HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, utf8_percent_encode};

use crate::error::Result;
use crate::http::request::{Request, UrlValues};
use crate::http::request_error::RequestError;
use crate::http::response::Response;

/// What is encoded in a `Location` besides all that is not ASCII.
const UNSAFE: &AsciiSet = &AsciiSet::EMPTY.add(b' ').add(b'"');

/// Sends the visitor to a page of the site by its name: 303, which turns a `POST` into a `GET`.
///
/// ```
/// # use duck::{Request, Response, Result, redirect};
/// async fn create(request: Request) -> Result<Response> {
///     let id = 7;
///     redirect(&request, "note", [id])
/// }
/// ```
///
/// # Errors
///
/// When no URL pattern has that name, or the values do not fit its parameters.
#[track_caller]
pub fn redirect(request: &Request, name: &str, values: impl UrlValues) -> Result<Response> {
    let url = request.url(name, values)?;
    if url.starts_with('/') {
        redirect_to(url)
    } else {
        // A host of the site's own, as its pattern names it.
        redirect_external(url)
    }
}

/// Sends the visitor to a path of this site: 303. The path is anything that displays as one.
///
/// For another kind of redirect, change the status: 302 (`FOUND`) and 301 (`MOVED_PERMANENTLY`) as
/// other frameworks send them, 307 (`TEMPORARY_REDIRECT`) and 308 (`PERMANENT_REDIRECT`) to have a
/// `POST` posted again.
///
/// A path from a form or a query (`?next=…`) is safe to pass in: whatever a browser would take
/// for another site is refused.
///
/// ```
/// use duck::{StatusCode, redirect_to};
///
/// assert_eq!(redirect_to("/cart?open=1")?.headers()["location"], "/cart?open=1");
/// assert_eq!(redirect_to(format!("/notes/{}", 7))?.headers()["location"], "/notes/7");
/// assert_eq!(redirect_to("/new")?.with_status(StatusCode::FOUND).status(), 302);
/// assert!(redirect_to("//evil.example").is_err());
/// assert!(redirect_to("https://evil.example").is_err());
/// # Ok::<(), duck::Error>(())
/// ```
///
/// # Errors
///
/// 400 when it is no path of this site: it mostly came with the request.
#[track_caller]
pub fn redirect_to(path: impl Display) -> Result<Response> {
    let path = path.to_string();
    // Browsers read `\` as `/` and drop tabs and line breaks: `/\evil` and `/<tab>/evil` are hosts.
    let here = path.starts_with('/') && !path[1..].starts_with(['/', '\\']);
    if !here || path.bytes().any(|byte| byte.is_ascii_control()) {
        let message = "a redirect must stay on this site: its path begins with one `/`";
        return Err(RequestError::bad_request(message).into());
    }
    redirect_external(path)
}

/// Sends the visitor to any URL, other sites included: 303. Never pass in what a visitor sent.
///
/// # Errors
///
/// When it cannot be a header.
#[track_caller]
pub fn redirect_external(url: impl Display) -> Result<Response> {
    let url = url.to_string();
    let location = HeaderValue::try_from(utf8_percent_encode(&url, UNSAFE).to_string())?;
    Ok(Response::new(StatusCode::SEE_OTHER).with(header::LOCATION, location))
}
