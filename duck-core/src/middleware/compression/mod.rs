//! Responses made smaller on their way out: RFC 9110, 8.4.
//!
//! The layer of tower-http leaves a strong `ETag` as it is, compresses where `Cache-Control: no-transform` asks not
//! to, keeps what a stream has sent so far in its buffers, and knows nothing of pages with secrets.

mod body;
mod encoder;

use ::http::header::{self, HeaderMap, HeaderValue};
use ::http::{Method, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt;

use self::body::Compressed;
use self::encoder::Encoder;
use super::{Middleware, Next};
use crate::app::component::Component;
use crate::app::setup::Setup;
use crate::error::{Error, Result};
use crate::files::encoding::shrinks;
use crate::http::body::Body;
use crate::http::coding::{Coding, Codings};
use crate::http::parameters::{essence, has_word};
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::vary::vary_by;
use crate::pages::error_page::error_page;
use crate::server::framing::{has_no_content, named_length};

const VARY: &str = "Accept-Encoding";
const LEAST: &str = "COMPRESS_MIN_BYTES";
const SESSION_PAGES: &str = "COMPRESS_SESSION_PAGES";

/// A smaller page fits into one packet as it is.
const LEAST_BYTES: u64 = 1024;

/// A larger page is compressed in a thread for such work: it would keep others waiting for a millisecond.
const MOST_AT_ONCE: usize = 64 * 1024;

/// Compresses responses with Brotli or gzip, whichever the client likes better: a [`Component`].
///
/// Compressed are texts (HTML, CSS, JSON, SVG …) of at least `COMPRESS_MIN_BYTES`. It stands outside of all
/// middleware, wherever it is added. What else is left alone, and why, is in the guide: `docs/compression.md`.
///
/// A page that depends on the visitor is not compressed: one that asks for the session, sets a cookie, or says
/// `Vary: Cookie`, and the answer to a request with `Authorization`. Where an attacker can have the visitor's
/// browser ask for a page that repeats a text of the attacker's beside a secret, the length of the compressed page tells the secret
/// (<https://breachattack.com>). `COMPRESS_SESSION_PAGES` has all of them compressed, [`Compress::Always`] one.
///
/// ```
/// use duck::middleware::Compression;
/// use duck::testing::TestClient;
/// use duck::{App, Request, Settings, path};
///
/// async fn list(request: Request) -> String {
///     "quack\n".repeat(1000)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = App::new(Settings::default()).with(Compression::new()).urls([path("/", list)]);
/// let page = TestClient::start(app).await.get("/").header("accept-encoding", "gzip, br").await;
/// assert_eq!(page.header("content-encoding"), Some("br"));
/// assert!(page.bytes().len() < 100);
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Compression(());

impl Compression {
    /// As the settings say.
    pub fn new() -> Self {
        Self::default()
    }
}

/// What a view says of its own response to [`Compression`], over what would be done otherwise.
///
/// ```
/// use duck::middleware::Compress;
/// use duck::{Request, Response, text};
///
/// async fn cart(request: Request) -> Response {
///     let mut page = text("of the visitor, but without a secret");
///     page.extensions_mut().insert(Compress::Always);
///     page
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compress {
    /// It is compressed though it depends on the visitor. All else that keeps a response from it still does.
    Always,
    /// It is sent as it is.
    Never,
}

struct Started {
    least: u64,
    session_pages: bool,
}

impl Component for Compression {
    async fn start(self, setup: &mut Setup<'_>) -> Result<()> {
        let started = Started {
            least: setup.settings().get(LEAST)?.unwrap_or(LEAST_BYTES),
            session_pages: setup.settings().get(SESSION_PAGES)?.unwrap_or(false),
        };
        setup.outermost(started);
        Ok(())
    }
}

impl Middleware for Started {
    async fn handle(&self, request: Request, next: Next<'_>) -> Result<Response> {
        let mut response = next.run(request.clone()).await;
        if response.error().is_some() {
            response = Box::pin(error_page(&request, response)).await;
        }
        if response.status() == StatusCode::NOT_MODIFIED {
            repeat_tag(request.headers(), response.headers_mut());
            return Ok(response);
        }
        if !self.may_change(&request, &mut response) {
            return Ok(response);
        }
        vary_by(response.headers_mut(), VARY);
        match Codings::of(request.headers()).best() {
            Some(coding) => compress(&request, response, coding).await,
            None => Ok(response),
        }
    }
}

impl Started {
    /// Whether the response would be compressed for a client that takes it.
    fn may_change(&self, request: &Request, response: &mut Response) -> bool {
        let said = response.extensions_mut().get().copied();
        let is_for_all = || {
            self.session_pages
                || said == Some(Compress::Always)
                || is_for_everybody(request, response)
        };
        said != Some(Compress::Never)
            && has_whole_body(response.status())
            && is_text(response.headers())
            && is_as_made(response.headers())
            && length(response).is_none_or(|length| length >= self.least)
            && is_for_all()
    }
}

/// How long the body is, or that of the `GET` whose head this is. `None` for a stream.
fn length(response: &Response) -> Option<u64> {
    let length = response.body().len().filter(|length| *length > 0);
    length.or_else(|| named_length(response.headers()))
}

fn has_whole_body(status: StatusCode) -> bool {
    !status.is_informational() && status != StatusCode::PARTIAL_CONTENT && !has_no_content(status)
}

/// Types that become much smaller. An event stream has to arrive event by event.
fn is_text(headers: &HeaderMap) -> bool {
    let Some(Ok(text)) = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) else {
        return false;
    };
    essence(text) != "text/event-stream" && shrinks(text)
}

/// Whether nobody has compressed it, cut it, or asked for it to stay as it is.
fn is_as_made(headers: &HeaderMap) -> bool {
    let says_no = |value: &HeaderValue| has_word(value, "no-transform");
    !headers.contains_key(header::CONTENT_ENCODING)
        && !headers.contains_key(header::CONTENT_RANGE)
        && !headers.get_all(header::CACHE_CONTROL).iter().any(says_no)
}

fn is_for_everybody(request: &Request, response: &Response) -> bool {
    let by_visitor = |value: &HeaderValue| {
        ["cookie", "authorization", "*"]
            .iter()
            .any(|name| has_word(value, name))
    };
    let headers = response.headers();
    !headers.contains_key(header::SET_COOKIE)
        && !headers.get_all(header::VARY).iter().any(by_visitor)
        && !request.headers().contains_key(header::AUTHORIZATION)
}

async fn compress(request: &Request, mut response: Response, coding: Coding) -> Result<Response> {
    let body = response.take_body();
    let is_head = *request.method() == Method::HEAD;
    let body = if is_head && body.len() == Some(0) {
        // The file, or whatever it is, was not read: its length is not known.
        Body::stream(stream::empty::<Result<Bytes, Error>>())
    } else if body.is_made_while_sent() {
        let length = named_length(response.headers()).or_else(|| body.len());
        Body::new(Compressed::new(body, Encoder::new(coding), length))
    } else {
        let whole = body.collect().await.map_err(Error::internal)?.to_bytes();
        let small = at_once(whole.clone(), coding).await?;
        if small.len() >= whole.len() {
            return Ok(response.with_body(whole));
        }
        Body::from(small)
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_ENCODING, coding.name());
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::ACCEPT_RANGES);
    if let Some(weak) = headers.get(header::ETAG).and_then(weak) {
        headers.insert(header::ETAG, weak);
    }
    Ok(response.with_body(body))
}

async fn at_once(whole: Bytes, coding: Coding) -> Result<Vec<u8>> {
    if whole.len() <= MOST_AT_ONCE {
        return Ok(Encoder::whole(coding, &whole)?);
    }
    let work = move || Encoder::whole(coding, &whole);
    Ok(tokio::task::spawn_blocking(work).await??)
}

/// A tag of bytes is no longer one of these bytes: RFC 9110, 8.8.1. `None` where it is weak already.
fn weak(tag: &HeaderValue) -> Option<HeaderValue> {
    let bytes = tag.as_bytes();
    let is_strong = bytes.starts_with(b"\"");
    is_strong.then(|| HeaderValue::from_bytes(&[b"W/", bytes].concat()).ok())?
}

/// A 304 has the tag that the client's copy has, which may be one of this middleware's: RFC 9110, 15.4.5.
fn repeat_tag(asked: &HeaderMap, headers: &mut HeaderMap) {
    let Some(weak) = headers.get(header::ETAG).and_then(weak) else {
        return;
    };
    let mut tags = asked.get_all(header::IF_NONE_MATCH).iter();
    if tags.any(|tags| memchr::memmem::find(tags.as_bytes(), weak.as_bytes()).is_some()) {
        headers.insert(header::ETAG, weak);
        vary_by(headers, VARY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compressed_and_what_is_compressed_already_is_not() {
        for (kind, expected) in [
            ("text/html; charset=utf-8", true),
            ("TEXT/CSS", true),
            ("application/json", true),
            ("application/problem+json", true),
            ("application/manifest+json", true),
            ("image/svg+xml", true),
            ("text/event-stream", false),
            ("Text/Event-Stream; charset=utf-8", false),
            ("image/png", false),
            ("application/zip", false),
            ("application/octet-stream", false),
            ("font/woff2", false),
            ("video/mp4", false),
            ("multipart/form-data", false),
            ("text", false),
            ("", false),
        ] {
            let value = HeaderValue::from_str(kind).unwrap();
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value)]);
            assert_eq!(is_text(&headers), expected, "{kind}");
        }
        assert!(!is_text(&HeaderMap::new()));
    }
}
