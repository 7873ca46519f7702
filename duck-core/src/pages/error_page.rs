//! What the visitor sees of an error: its status in words, the message that is meant for visitors, and an
//! id to ask about it by. With `DEBUG` on, it is the debug page.

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};

use crate::error::Error;
use crate::http::accept::Accept;
use crate::http::request::Request;
use crate::http::request_error::RequestError;
use crate::http::response::{self, Response};
use crate::pages::debug::{self, Report};
#[cfg(feature = "templates")]
use crate::pages::error_template;
use crate::pages::escape::escape_html;

/// The forms that an error has, in the order they are preferred in where a client likes them equally.
const OFFERS: [(&str, Form); 4] = [
    ("text/html", Form::Html),
    ("application/problem+json", Form::Problem),
    ("application/json", Form::Problem),
    ("text/plain", Form::Text),
];

#[derive(Clone, Copy)]
enum Form {
    Html,
    Text,
    /// RFC 9457.
    Problem,
}

/// Gives a response with an error its page, unless it has one already: HTML, text or
/// `application/problem+json` (RFC 9457), whichever the client likes best.
///
/// Duck does this last of all, when the response has passed the whole site. A middleware calls it where its
/// own work is needed on the page: the one of sessions does, so that an error page from the site's
/// templates may name the user. One that wants a page of its own for some errors gives the response a body.
///
/// ```
/// use duck::pages::error_page;
/// use duck::{Next, Request, Response, Result};
///
/// async fn shrunk(request: Request, next: Next<'_>) -> Result<Response> {
///     let response = next.run(request.clone()).await;
///     let response = error_page(&request, response).await; // has a body now, whatever happened
/// #   let shrink = |response| response;
///     Ok(shrink(response))
/// }
/// ```
pub async fn error_page(request: &Request, response: Response) -> Response {
    if response.error().is_none() || !response.body().is_empty() {
        return response;
    }
    let told = Told::of(&response);
    let report = Report::of(request, &response);
    let page = match (form(request.headers()), report) {
        (Form::Html, Some(report)) => {
            let (title, style) = (told.title(), format!("<style>{}</style>", debug::STYLE));
            shell(&title, &style, &debug::html(&title, &report))
        }
        (Form::Html, None) => html(request, &told).await,
        (Form::Text, report) => plain(request, &told, report.as_ref()),
        (Form::Problem, report) => problem(request, told, report.as_ref()),
    };
    wear(request, response, page)
}

/// What anybody may be told of an error.
struct Told {
    status: StatusCode,
    /// An error of the request says what was wrong with it.
    message: Option<String>,
}

impl Told {
    fn of(response: &Response) -> Self {
        let status = response.status();
        let error = response
            .error()
            .and_then(Error::downcast_ref::<RequestError>);
        let message = error
            .filter(|_| status.is_client_error())
            .map(ToString::to_string);
        Self { status, message }
    }

    fn reason(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }

    /// The id to ask about it by, where the log has it: it tells of the site's errors, and not of each page
    /// that is not there.
    fn id(&self, request: &Request) -> Option<String> {
        let is_logged = self.status.is_server_error();
        is_logged.then(|| request.id().to_owned())
    }

    fn title(&self) -> String {
        format!("{} {}", self.status.as_u16(), self.reason())
    }
}

/// The form that the client likes best. One that names none gets text: programs, and people at a terminal.
fn form(headers: &HeaderMap) -> Form {
    let accept = Accept::of(headers);
    let likings = OFFERS.iter().rev();
    let likings = likings.filter_map(|(name, form)| Some((accept.liking(name)?, *form)));
    let best = likings.max_by_key(|(liking, _)| *liking);
    best.filter(|(liking, _)| liking.is_named())
        .map_or(Form::Text, |(_, form)| form)
}

/// The response with the body of a page, and with what its headers say about that body.
fn wear(request: &Request, mut response: Response, mut page: Response) -> Response {
    response = response.with_body(page.take_body());
    let unavailable = response.status() == 503;
    let headers = response.headers_mut();
    for (name, value) in page.headers() {
        if name == header::CONTENT_TYPE || !headers.contains_key(name) {
            headers.insert(name, value.clone());
        }
    }
    if request.is_debug() {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if unavailable {
        let retry = headers.entry(header::RETRY_AFTER);
        retry.or_insert(HeaderValue::from_static("5"));
    }
    response
}

fn plain(request: &Request, told: &Told, report: Option<&Report>) -> Response {
    let mut text = told.title() + "\n";
    if let Some(message) = &told.message {
        text += &format!("{message}\n");
    }
    match (report, told.id(request)) {
        (Some(report), _) => text += &debug::text(report),
        (None, Some(id)) => text += &format!("request id {id}\n"),
        (None, None) => {}
    }
    response::text(text)
}

fn problem(request: &Request, told: Told, report: Option<&Report>) -> Response {
    let mut problem = serde_json::json!({
        "type": "about:blank",
        "title": told.reason(),
        "status": told.status.as_u16(),
    });
    if let Some(id) = told.id(request) {
        problem["request_id"] = id.into();
    }
    if let Some(message) = told.message {
        problem["detail"] = message.into();
    }
    if let Some(report) = report {
        problem["debug"] = debug::problem(report);
    }
    response::json(&problem).with(
        header::CONTENT_TYPE,
        const { HeaderValue::from_static("application/problem+json") },
    )
}

/// The site's own page, or the one that every site has.
#[cfg_attr(
    not(feature = "templates"),
    expect(
        clippy::unused_async,
        reason = "pages from templates wait for what they show"
    )
)]
async fn html(request: &Request, told: &Told) -> Response {
    #[cfg(feature = "templates")]
    {
        let (message, id) = (told.message.as_deref(), told.id(request));
        let of_site =
            error_template::page(request, told.status, told.reason(), message, id.as_deref());
        if let Some(page) = of_site.await {
            return page;
        }
    }
    built_in(request, told)
}

fn built_in(request: &Request, told: &Told) -> Response {
    let title = told.title();
    let mut page = format!("<h1>{title}</h1>\n");
    if let Some(message) = &told.message {
        page += &format!("<p>{}</p>\n", escape_html(message));
    }
    if let Some(id) = told.id(request) {
        let id = escape_html(&id);
        page += &format!("<p class=\"dim\"><small>Request id <code>{id}</code></small></p>\n");
    }
    shell(&title, "", &page)
}

/// A page around what is in `main`: dark and light, and as wide as the screen. `style` is a style element, or none.
fn shell(title: &str, style: &str, main: &str) -> Response {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\">\
         <style>{STYLE}</style>{style}</head>\n<body><main>\n{main}</main></body></html>\n"
    );
    response::html(page).with(
        header::CONTENT_SECURITY_POLICY,
        const { HeaderValue::from_static(POLICY) },
    )
}

/// Nothing is loaded or run, whatever a page came to hold: styles are those of this file and of the debug page, by
/// their SHA-256.
const POLICY: &str = "default-src 'none'; \
style-src 'sha256-9AiP6/36jqcrI5goFV+Sh4VNFWLqy6vJG2/5gbZfWPg=' 'sha256-EMDiOtM5Oc0K/EKmQp3M4/89TbrqlelGYtjI7WaoqUQ='; \
img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = ":root{color-scheme:light dark;--paper:#fdfcf7;--ink:#222;--dim:#666;--card:#fff;--line:#ddd;--mark:#fff0b3}\
@media(prefers-color-scheme:dark){:root{--paper:#171b21;--ink:#e9e6dc;--dim:#a3a7ad;--card:#20262e;--line:#343c47;--mark:#4a4020}}\
body{font:16px/1.5 system-ui,sans-serif;margin:0;background:var(--paper);color:var(--ink)}\
main{max-width:46rem;margin:12vh auto;padding:0 1.5rem;overflow-wrap:anywhere}\
h1{font-size:1.6rem;border-bottom:4px solid #ffcf33;display:inline-block}\
.dim{color:var(--dim)}\
pre{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:1rem;white-space:pre-wrap}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_lets_the_styles_of_these_pages_in_and_no_others() {
        use sha2::{Digest, Sha256};
        let hashes = [STYLE, debug::STYLE].map(|style| {
            let hash = data_encoding::BASE64.encode(&Sha256::digest(style));
            format!("'sha256-{hash}'")
        });
        let styles = format!("style-src {};", hashes.join(" "));
        assert!(POLICY.contains(&styles), "{styles}");
    }
}
