//! One connection: its protocol around the site, under deadlines.

use std::pin::Pin;
#[cfg(feature = "http2")]
use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::runtime::Handle;

use super::attendance::attended;
use super::client::Client;
#[cfg(feature = "http2")]
use super::http2::Http2;
use super::listener::Listener;
use super::newcomers::Newcomer;
#[cfg(feature = "http2")]
use super::opening::Opening;
#[cfg(feature = "websocket")]
use super::upgraded;
use super::vitals::Vitals;
use super::watched::Watched;
use crate::app::site::Site;
use crate::http::proxies::Connection;
use crate::server::limits::Limits;

/// Serves one connection to its end, which runs on this runtime.
#[cfg_attr(
    not(feature = "http2"),
    expect(unused_variables, reason = "only HTTP/2 has tasks of its own")
)]
pub(super) async fn serve<L: Listener>(
    stream: L::Io,
    from: Connection,
    newcomer: Option<Newcomer>,
    site: Site,
    vitals: Arc<Vitals>,
    runtime: Handle,
) {
    let limits = site.0.context.limits.clone();
    let client = Arc::new(Client::new(site, from, vitals.clone(), newcomer));
    let socket = Watched::<L>::new(stream, vitals.clone());
    #[cfg(feature = "http2")]
    let socket = {
        let mut opening = pin!(Opening(Some(socket)));
        let Some((socket, is_http2)) = attended(&vitals, opening.as_mut()).await.flatten() else {
            return;
        };
        if is_http2 {
            // On the heap: a connection of HTTP/1.1 has no room for this.
            let mut connection = Box::pin(Http2::new(socket, client, runtime, &limits));
            attended(&vitals, connection.as_mut()).await;
            return connection.as_mut().end().await;
        }
        socket
    };
    let client = &*client;
    let service = service_fn(move |request| client.respond(request));
    let mut connection = http1(&limits).serve_connection(TokioIo::new(socket), service);
    let end = attended(&vitals, Pin::new(&mut connection)).await;
    #[cfg(not(feature = "websocket"))]
    drop(end);
    #[cfg(feature = "websocket")]
    if let (Some(Ok(())), Some(accepted)) = (end, client.accepted()) {
        let parts = connection.into_parts();
        let socket = parts.io.into_inner();
        // On the heap: a connection that stays HTTP has no room for this.
        Box::pin(upgraded::serve(*accepted, socket, parts.read_buf, vitals)).await;
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // `pipeline_flush` stays off: with it hyper takes in a stream's pieces without end when the
    // client reads slowly, and closes without its own 400 or 431 having been written.
    builder
        .writev(false)
        .max_buf_size(limits.head_bytes())
        // A client may close its side after its request: `Watched` sees whether it is gone.
        .half_close(true);
    builder
}
