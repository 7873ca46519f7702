//! The site's own page for an error: `errors/404.html` among its templates, else `errors/error.html`.

use http::StatusCode;

use super::templates::engine::Engine;
use super::templates::render::render;
use crate::app::error_log;
use crate::context;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::middleware::caught;

/// The page for this status, with what may be told of the error. `None` where the site has no template for
/// it, or has one that fails: the log says so, and the visitor sees the page that every site has.
pub(super) async fn page(
    request: &Request,
    status: StatusCode,
    title: &str,
    message: Option<&str>,
    request_id: Option<&str>,
) -> Option<Response> {
    let engine = request.state::<Engine>().ok()?;
    let names = [
        format!("errors/{}.html", status.as_u16()),
        "errors/error.html".to_owned(),
    ];
    let name = names.iter().find(|name| engine.has(name))?;
    let (message, request_id) = (message.unwrap_or_default(), request_id.unwrap_or_default());
    let context = context! { status => status.as_u16(), title, message, request_id };
    let rendered = caught(|| render(request, name, context)).await;
    match rendered.and_then(|page| page) {
        Ok(page) => Some(page),
        Err(error) => {
            error_log::page_failed(request, status, &error);
            None
        }
    }
}
