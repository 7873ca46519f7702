//! What the visitor sees of an error: the status in words, and the details with `DEBUG` on.

use std::borrow::Cow;
use std::fmt::Write as _;

use http::{HeaderValue, header};

use crate::http::request::Request;
use crate::http::response::{self, Response};
use crate::pages::escape::escape_html;

/// Gives an error its page, unless the site gave it one already.
pub(crate) fn dress(request: &Request, mut response: Response) -> Response {
    if response.error().is_none() || !response.body().is_empty() {
        return response;
    }
    let page = page(request, &response);
    let media_type = page.headers().get(header::CONTENT_TYPE).cloned();
    response = response.with_body({ page }.take_body());
    if let Some(media_type) = media_type {
        response = response.with(header::CONTENT_TYPE, media_type);
    }
    if response.status() == 503 && !response.headers().contains_key(header::RETRY_AFTER) {
        response = response.with(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

fn page(request: &Request, response: &Response) -> Response {
    match named_first(request) {
        Some("json") => problem(request, response),
        Some(_) => html(request, response),
        None if request.header("accept").is_some() && request.accepts("text/html") => {
            html(request, response)
        }
        None => plain(request, response),
    }
}

/// Which form the client names, where it names one that it takes: browsers name HTML, programs
/// JSON.
fn named_first(request: &Request) -> Option<&'static str> {
    let accept = request.header("accept")?.to_ascii_lowercase();
    let takes = |media_types: &[&str]| media_types.iter().any(|kind| request.accepts(kind));
    let json = takes(&["application/json", "application/problem+json"]);
    let html = takes(&["text/html"]);
    let named = |name: &'static str, taken: bool| {
        let place = accept.find(name).filter(|_| taken)?;
        Some((place, name))
    };
    let first = named("json", json)
        .into_iter()
        .chain(named("html", html))
        .min();
    first.map(|(_, name)| name)
}

/// What may be said to a visitor: an error of the request says what was wrong with it.
fn public_message(response: &Response) -> Option<String> {
    let error = response
        .error()?
        .downcast_ref::<crate::http::RequestError>()?;
    response
        .status()
        .is_client_error()
        .then(|| error.to_string())
}

fn reason(response: &Response) -> &'static str {
    response.status().canonical_reason().unwrap_or("Error")
}

fn plain(request: &Request, response: &Response) -> Response {
    let mut text = format!("{} {}\n", response.status().as_u16(), reason(response));
    for line in public_message(response)
        .into_iter()
        .chain(details(request, response))
    {
        text += &line;
        text.push('\n');
    }
    response::text(text)
}

/// `application/problem+json`: RFC 9457.
fn problem(request: &Request, response: &Response) -> Response {
    let detail = public_message(response).or_else(|| details(request, response).into_iter().next());
    let problem = serde_json::json!({
        "title": reason(response),
        "status": response.status().as_u16(),
        "detail": detail,
    });
    response::json(&problem).with(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    )
}

fn html(request: &Request, response: &Response) -> Response {
    let (status, reason) = (response.status().as_u16(), reason(response));
    let mut body = format!("<h1>{status} {reason}</h1>");
    if let Some(message) = public_message(response) {
        write!(body, "<p>{}</p>", escape_html(&message)).expect("a String takes every write");
    }
    let details = details(request, response);
    if !details.is_empty() {
        let lines: Vec<Cow<'_, str>> = details.iter().map(|line| escape_html(line)).collect();
        write!(
            body,
            "<pre>{}</pre><p><small>Shown because DEBUG is on.</small></p>",
            lines.join("\n")
        )
        .expect("a String takes every write");
    }
    response::html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{status} {reason}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\">\
         <style>{STYLE}</style></head>\
         <body><main>{body}</main></body></html>"
    ))
}

const STYLE: &str = ":root{color-scheme:light dark;--paper:#fdfcf7;--ink:#222;--card:#fff;--line:#ddd}\
@media(prefers-color-scheme:dark){:root{--paper:#171b21;--ink:#e9e6dc;--card:#20262e;--line:#343c47}}\
body{font:16px/1.5 system-ui,sans-serif;margin:0;background:var(--paper);color:var(--ink)}\
main{max-width:46rem;margin:12vh auto;padding:0 1.5rem;overflow-wrap:anywhere}\
h1{font-size:1.6rem;border-bottom:4px solid #ffcf33;display:inline-block}\
pre{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:1rem;white-space:pre-wrap}";

/// The cause, the line and the route: for the site's author only.
fn details(request: &Request, response: &Response) -> Vec<String> {
    let Some(error) = response.error().filter(|_| request.is_debug()) else {
        return Vec::new();
    };
    let mut details = vec![error.chain()];
    if let Some(place) = error.place() {
        details.push(format!("at {place}"));
    }
    details.push(format!("{} {}", request.method(), request.path()));
    if let Some(route) = request.route_path() {
        details.push(format!("route {route}"));
    }
    if let Some(view) = request.route().view {
        details.push(format!("view {view}"));
    }
    details
}
