//! One connection: hyper's protocol around the site, under deadlines.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderValue, StatusCode, Version, header};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::vitals::{Deadlines, TICK, Verdict, Vitals};
use super::watched::Watched;
use super::wire::Wire;
use crate::app::site::Site;
use crate::http::body::{Body, BoxError};
use crate::http::proxies::Connection;
use crate::server::framing;
use crate::server::limits::Limits;

/// A connection that was accepted just before the server stops has this long for its first request.
const FIRST_REQUEST: Duration = Duration::from_millis(500);

/// Serves one connection to its end.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    site: Site,
    mut stopping: watch::Receiver<()>,
) {
    // Small responses leave at once. Where the system refuses, they leave a little later.
    let _ = stream.set_nodelay(true);
    let vitals = Arc::new(Vitals::default());
    let limits = site.0.context.limits.clone();
    let from = Connection {
        peer: Some(peer),
        secure: false,
    };
    let client = Arc::new(Client {
        site,
        from,
        vitals: vitals.clone(),
    });
    let service = service_fn(move |request| client.clone().respond(request));
    let builder = builder(&limits);
    let mut connection =
        pin!(builder.serve_connection(TokioIo::new(Watched::new(stream, vitals.clone())), service));
    let mut deadlines = Deadlines::default();
    let mut ticks = interval_at(Instant::now() + TICK, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut running = true;
    loop {
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            _ = stopping.changed(), if running => {
                running = false;
                if !vitals.has_served() {
                    tokio::select! {
                        _ = connection.as_mut() => return,
                        () = sleep(FIRST_REQUEST) => {}
                    }
                }
                connection.as_mut().graceful_shutdown();
            }
            _ = ticks.tick() => match deadlines.tick(&vitals, &limits) {
                Verdict::Leave => {}
                Verdict::Retire => connection.as_mut().graceful_shutdown(),
                Verdict::Drop => return,
            }
        }
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // hyper refuses a buffer smaller than this; heads longer than it are answered with 431.
    let head = limits.max_head_bytes.max(8192);
    // `pipeline_flush` stays off: with it hyper takes in a stream's pieces without end when the
    // client reads slowly, and closes without its own 400 or 431 having been written.
    builder
        .http1()
        .writev(false)
        .max_buf_size(head)
        // A client may close its side after its request: `Watched` sees whether it is gone.
        .half_close(true);
    #[cfg(feature = "http2")]
    builder
        .http2()
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX));
    #[cfg(not(feature = "http2"))]
    let builder = builder.http1_only();
    builder
}

/// The other end of a connection, as each of its requests sees it.
struct Client {
    site: Site,
    from: Connection,
    vitals: Arc<Vitals>,
}

impl Client {
    async fn respond(
        self: Arc<Self>,
        request: hyper::Request<Incoming>,
    ) -> Result<http::Response<Wire>, Infallible> {
        let http2 = request.version() == Version::HTTP_2;
        let is_http_1_0 = request.version() == Version::HTTP_10;
        let suspect = self.vitals.request_arrives(http2);
        let awaits_continue = match check(&request, suspect) {
            Ok(awaits_continue) => awaits_continue,
            Err((status, what)) => {
                tracing::debug!(target: "duck", what, "a request was refused");
                return Ok(refuse(status, what).map(Wire));
            }
        };
        let mut work = Work::begin(self.vitals.clone());
        let unread = (!http2).then(|| self.vitals.unread());
        let request = request.map(|body| Body::incoming(body, awaits_continue, unread));
        let mut response = self.site.respond(request, self.from).await.into_http();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
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
            Ok(response.map(|body| Wire(Body::new(Watching { body, work }))))
        } else {
            work.end();
            Ok(response.map(Wire))
        }
    }
}

/// What the site does for a request: it ends even where its future is dropped as the client is gone.
struct Work {
    vitals: Arc<Vitals>,
    under_way: bool,
}

impl Work {
    fn begin(vitals: Arc<Vitals>) -> Self {
        vitals.work_begins();
        Self {
            vitals,
            under_way: true,
        }
    }

    fn go_on(&mut self) {
        if !std::mem::replace(&mut self.under_way, true) {
            self.vitals.work_begins();
        }
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.under_way, false) {
            self.vitals.work_ends();
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.end();
    }
}

/// A body that is made while it is sent. While there is no next piece the site is at work; when
/// there is one, it is the client's turn.
struct Watching {
    body: Body,
    work: Work,
}

impl http_body::Body for Watching {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.work.go_on();
        let poll = Pin::new(&mut self.body).poll_frame(cx);
        if poll.is_ready() {
            self.work.end();
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What hyper lets pass and a careful server does not. `suspect` is what [`Heads`](super::heads::Heads)
/// found out. Returns whether the client waits for `100 Continue` before it sends its body.
fn check(
    request: &hyper::Request<Incoming>,
    suspect: bool,
) -> Result<bool, (StatusCode, &'static str)> {
    let bad = |what| Err((StatusCode::BAD_REQUEST, what));
    let (mut hosts, mut codings, mut awaits_continue) = (0, 0, false);
    for (name, value) in request.headers() {
        match *name {
            // Two are as bad as a wrong one.
            header::HOST => hosts += if is_host(value) { 1 } else { 2 },
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
        return bad("HTTP/1.1 takes exactly one Host header, with a host in it"); // RFC 9112, 3.2
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

/// Whether a `Host` could be one: what a site makes links of must not be a path or a user's name.
fn is_host(value: &HeaderValue) -> bool {
    value.as_bytes().iter().all(|byte| {
        byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(byte) // RFC 3986, 3.2.2
    })
}

fn refuse(status: StatusCode, what: &'static str) -> http::Response<Body> {
    let mut response = http::Response::new(Body::from(what));
    *response.status_mut() = status;
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}
