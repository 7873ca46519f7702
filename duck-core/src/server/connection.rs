//! One connection: hyper's protocol around the site, under deadlines.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::vitals::{Deadlines, TICK, Verdict, Vitals};
use super::watched::Watched;
use crate::body::Body;
use crate::limits::Limits;
use crate::proxies::Connection;
use crate::site::Site;

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
    builder.http1().writev(false).max_buf_size(head);
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
    ) -> Result<http::Response<Body>, Infallible> {
        if let Err(what) = check(&request) {
            return Ok(refuse(what));
        }
        self.vitals.request_begins();
        let ends = Ends(&self.vitals);
        let response = self
            .site
            .respond(request.map(Body::incoming), self.from)
            .await;
        drop(ends);
        Ok(response.into_http())
    }
}

/// Ends a request even where its future is dropped because the client is gone.
struct Ends<'a>(&'a Vitals);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.request_ends();
    }
}

/// What hyper lets pass and a careful server does not.
fn check(request: &hyper::Request<Incoming>) -> Result<(), &'static str> {
    let headers = request.headers();
    if request.version() == Version::HTTP_11 && !has_one_host(headers) {
        return Err("HTTP/1.1 takes exactly one Host header"); // RFC 9112, 3.2
    }
    // Two ways to say where the body ends are how requests are smuggled: RFC 9112, 6.1.
    if headers.contains_key(header::TRANSFER_ENCODING)
        && headers.contains_key(header::CONTENT_LENGTH)
    {
        return Err("Content-Length and Transfer-Encoding exclude each other");
    }
    Ok(())
}

fn has_one_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    hosts.next().is_some() && hosts.next().is_none()
}

fn refuse(what: &'static str) -> http::Response<Body> {
    let mut response = http::Response::new(Body::from(what));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
        .headers_mut()
        .insert(header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}
