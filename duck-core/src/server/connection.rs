//! One connection: its protocol around the site, under deadlines.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, Interval, MissedTickBehavior, interval_at, sleep};

use super::client::Client;
#[cfg(feature = "http2")]
use super::http2::Http2;
use super::newcomers::Newcomer;
use super::vitals::{Deadlines, TICK, Verdict, Vitals};
use super::watched::Watched;
use crate::app::site::Site;
use crate::http::proxies::Connection;
use crate::server::limits::Limits;

/// A connection that was accepted just before the server stops has this long for its first request.
const FIRST_REQUEST: Duration = Duration::from_millis(500);

/// Serves one connection to its end.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    newcomer: Option<Newcomer>,
    site: Site,
    stopping: watch::Receiver<()>,
) {
    // Small responses leave at once. Where the system refuses, they leave a little later.
    let _ = stream.set_nodelay(true);
    let vitals = Arc::new(Vitals::default());
    let limits = site.0.context.limits.clone();
    let from = Connection {
        peer: Some(peer),
        secure: false,
    };
    let client = Arc::new(Client::new(site, from, vitals.clone(), newcomer));
    let socket = Watched::new(stream, vitals.clone());
    let mut attendance = Attendance::new(&vitals, &limits, stopping);
    #[cfg(feature = "http2")]
    let socket = {
        let mut opening = pin!(Opening(Some(socket)));
        let Some((socket, is_http2)) = attendance.attend(opening.as_mut()).await.flatten() else {
            return;
        };
        if is_http2 {
            let connection = pin!(Http2::new(socket, client, &limits));
            attendance.attend(connection).await;
            return;
        }
        socket
    };
    let service = service_fn(move |request| client.clone().respond(request));
    let connection = http1(&limits).serve_connection(TokioIo::new(socket), service);
    attendance.attend(pin!(connection)).await;
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

/// What a connection does: a future that can be asked to come to its end.
pub(super) trait Conversation: Future {
    /// Takes no new requests, and ends when those under way are answered.
    fn retire(self: Pin<&mut Self>);
}

impl<I, B, S> Conversation for http1::Connection<I, S>
where
    http1::Connection<I, S>: Future,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<crate::http::body::BoxError>,
    B: http_body::Body + 'static,
    B::Error: Into<crate::http::body::BoxError>,
{
    fn retire(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Looks after a connection until it ends.
struct Attendance<'a> {
    vitals: &'a Vitals,
    limits: &'a Limits,
    deadlines: Deadlines,
    ticks: Interval,
    stopping: watch::Receiver<()>,
}

impl<'a> Attendance<'a> {
    fn new(vitals: &'a Vitals, limits: &'a Limits, stopping: watch::Receiver<()>) -> Self {
        let mut ticks = interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            vitals,
            limits,
            deadlines: Deadlines::default(),
            ticks,
            stopping,
        }
    }

    /// What came of a conversation; `None` if it was ended.
    async fn attend<C: Conversation>(
        &mut self,
        mut conversation: Pin<&mut C>,
    ) -> Option<C::Output> {
        let mut running = true;
        loop {
            tokio::select! {
                biased;
                output = conversation.as_mut() => return Some(output),
                _ = self.stopping.changed(), if running => {
                    running = false;
                    if !self.vitals.has_served() {
                        tokio::select! {
                            output = conversation.as_mut() => return Some(output),
                            () = sleep(FIRST_REQUEST) => {}
                        }
                    }
                    conversation.as_mut().retire();
                }
                _ = self.ticks.tick() => match self.deadlines.tick(self.vitals, self.limits) {
                    Verdict::Leave => {}
                    Verdict::Retire => conversation.as_mut().retire(),
                    Verdict::Drop => return None,
                }
            }
        }
    }
}

/// A connection of which nobody knows yet whether it is HTTP/2.
#[cfg(feature = "http2")]
struct Opening(Option<Watched>);

#[cfg(feature = "http2")]
impl Future for Opening {
    type Output = Option<(Watched, bool)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(socket) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let is_http2 = std::task::ready!(socket.poll_is_http2(cx));
        let socket = self.0.take();
        Poll::Ready(socket.zip(is_http2.ok()))
    }
}

#[cfg(feature = "http2")]
impl Conversation for Opening {
    fn retire(mut self: Pin<&mut Self>) {
        self.0 = None;
    }
}
