//! The other end of a connection, as each of its requests sees it.

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use http::uri::Scheme;
use http::{HeaderValue, StatusCode, Version, header};
use hyper::body::Incoming;

use super::newcomers::Newcomer;
use super::vitals::Vitals;
use super::wire::Wire;
use super::work::{Watching, Work};
use crate::app::site::{Site, TakenIn};
use crate::http::body::Body;
use crate::http::proxies::Connection;
use crate::http::response::Response;
#[cfg(feature = "websocket")]
use crate::live::upgrade::{Accepted, Upgrade};
use crate::server::framing;
use crate::server::received::Received;

pub(super) struct Client {
    pub(super) site: Site,
    pub(super) from: Connection,
    pub(super) vitals: Arc<Vitals>,
    /// Until its first request is here.
    newcomer: Mutex<Option<Newcomer>>,
    /// What the connection becomes when its response is written.
    #[cfg(feature = "websocket")]
    accepted: Mutex<Option<Box<Accepted>>>,
}

impl Client {
    pub(super) fn new(
        site: Site,
        from: Connection,
        vitals: Arc<Vitals>,
        newcomer: Option<Newcomer>,
    ) -> Self {
        let newcomer = Mutex::new(newcomer);
        Self {
            site,
            from,
            vitals,
            newcomer,
            #[cfg(feature = "websocket")]
            accepted: Mutex::default(),
        }
    }

    /// The WebSocket that the last request has opened.
    #[cfg(feature = "websocket")]
    pub(super) fn accepted(&self) -> Option<Box<Accepted>> {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.take()
    }

    /// Whether a 101 is one of the framework's own, and the connection becomes what it says.
    #[cfg(feature = "websocket")]
    fn switches(&self, response: &mut http::Response<Body>) -> bool {
        let upgrade = response.extensions_mut().remove::<Upgrade>();
        let taken = upgrade.and_then(|upgrade| upgrade.take());
        let switches = taken.is_some();
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        *accepted = taken;
        switches
    }

    #[cfg(not(feature = "websocket"))]
    #[expect(clippy::unused_self, reason = "there is nothing to switch to")]
    fn switches(&self, _response: &mut http::Response<Body>) -> bool {
        false
    }

    /// Notes that the whole head of a request is here. Returns whether the client waits for `100 Continue`
    /// before it sends its body, or the answer to what is refused.
    pub(super) fn arrives<B>(&self, request: &http::Request<B>) -> Result<bool, Response> {
        if !self.vitals.has_served() {
            let mut newcomer = self.newcomer.lock().unwrap_or_else(PoisonError::into_inner);
            *newcomer = None;
        }
        let http2 = request.version() == Version::HTTP_2;
        let suspect = self.vitals.request_arrives(http2);
        check(request, suspect).map_err(|(status, what)| {
            tracing::debug!(target: "duck", what, "a request was refused");
            refuse(status, what)
        })
    }

    /// Answers a request over HTTP/1.
    pub(super) fn respond(
        &self,
        request: http::Request<Incoming>,
    ) -> impl Future<Output = Result<http::Response<Wire>, Infallible>> + Send {
        let is_http_1_0 = request.version() == Version::HTTP_10;
        let begun = self.begin(request);
        async move {
            match begun {
                Ok((taken_in, work)) => {
                    let response = taken_in.respond().await.into_http();
                    Ok(self.finish(response, work, is_http_1_0))
                }
                Err(refusal) => Ok(refusal.into_http().map(Wire)),
            }
        }
    }

    fn begin(&self, request: http::Request<Incoming>) -> Result<(TakenIn<'_>, Work), Response> {
        let awaits_continue = self.arrives(&request)?;
        let work = Work::begin(self.vitals.clone());
        let unread = self.vitals.unread();
        let receive = |body| Received::http1(body, awaits_continue, unread.clone());
        let (head, body) = request.into_parts();
        let body = Body::received(body, receive);
        Ok((self.site.take_in(head, body, self.from), work))
    }

    fn finish(
        &self,
        mut response: http::Response<Body>,
        mut work: Work,
        is_http_1_0: bool,
    ) -> http::Response<Wire> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS && !self.switches(&mut response) {
            response = framing::without_switching(&response);
        }
        if self.vitals.is_unread() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        if is_http_1_0 && response.headers().contains_key(header::CONNECTION) {
            // Otherwise hyper adds the `keep-alive` that the client has asked for.
            *response.version_mut() = Version::HTTP_10;
        }
        if response.body().is_made_while_sent() {
            response.map(|body| Wire(Body::new(Watching { body, work })))
        } else {
            work.end();
            response.map(Wire)
        }
    }
}

/// What hyper lets pass and a careful server does not. `suspect` is what [`Heads`](super::heads::Heads)
/// found out. Returns whether the client waits for `100 Continue` before it sends its body.
fn check<B>(request: &http::Request<B>, suspect: bool) -> Result<bool, (StatusCode, &'static str)> {
    let bad = |what| Err((StatusCode::BAD_REQUEST, what));
    let (mut hosts, mut codings, mut awaits_continue) = (0, 0, false);
    for (name, value) in request.headers() {
        match *name {
            // What stands in it is looked at by the site.
            header::HOST => hosts += 1,
            header::TRANSFER_ENCODING => codings += if is(value, b"chunked") { 1 } else { 2 },
            // HTTP/1.0 knows no expectations: RFC 9110, 10.1.1.
            header::EXPECT if request.version() > Version::HTTP_10 => {
                if !is(value, b"100-continue") {
                    let what = "the only expectation that is met here is `100-continue`";
                    return Err((StatusCode::EXPECTATION_FAILED, what));
                }
                awaits_continue = true;
            }
            _ => {}
        }
    }
    if request.version() == Version::HTTP_11 && hosts != 1 {
        return bad("HTTP/1.1 takes exactly one Host header"); // RFC 9112, 3.2
    }
    // Two ways to say where the body ends are how requests are smuggled: RFC 9112, 6.1 and 2.2.
    if suspect {
        return bad(
            "lines end in CR and LF, and Content-Length and Transfer-Encoding exclude each other",
        );
    }
    if codings > 1 {
        return bad("the only Transfer-Encoding there is here is `chunked`"); // RFC 9112, 6.1
    }
    if request
        .uri()
        .scheme()
        .is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS)
    {
        return bad("the request is for something other than `http` or `https`");
    }
    Ok(awaits_continue)
}

fn is(value: &HeaderValue, word: &[u8]) -> bool {
    value.as_bytes().eq_ignore_ascii_case(word)
}

fn refuse(status: StatusCode, what: &'static str) -> Response {
    let mut response = http::Response::new(Body::from(what));
    *response.status_mut() = status;
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    Response::from_http(response)
}
