//! The server: accepts connections, and stops without dropping any.

mod attendance;
#[cfg(feature = "http2")]
mod backlog;
mod client;
mod connection;
#[cfg(feature = "http2")]
mod date;
pub(crate) mod descriptors;
#[cfg(feature = "http2")]
mod exchange;
pub(crate) mod framing;
mod heads;
#[cfg(feature = "http2")]
mod http2;
pub(crate) mod limits;
mod linger;
mod newcomers;
#[cfg(feature = "http2")]
mod opening;
#[cfg(feature = "http2")]
mod preface;
pub(crate) mod received;
pub(crate) mod sending;
pub(crate) mod traffic;
#[cfg(feature = "websocket")]
mod upgraded;
#[cfg(feature = "http2")]
mod upload;
mod vitals;
mod watched;
mod wire;
mod work;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use self::attendance::Attendance;
use self::newcomers::Newcomers;
use self::traffic::Open;
use crate::app::beside::Beside;
use crate::app::site::Site;
use crate::app::stderr;

/// Between two tries to accept a connection, where none can be.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Serves a site until `shutdown` is done, and for `SHUTDOWN_DELAY` longer, then lets the requests and the timed
/// tasks under way finish, for `SHUTDOWN_TIMEOUT` at most.
///
/// [`App::run`](crate::App::run) does this with a socket and signals; call it yourself to embed a site in
/// a program of your own.
///
/// ```no_run
/// # async fn main_task(site: duck::Site) -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
/// let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
/// duck::server::serve(listener, site, stop).await;
/// # Ok(())
/// # }
/// ```
pub async fn serve(listener: TcpListener, site: Site, shutdown: impl Future<Output = ()>) {
    let _log = stderr::in_background();
    let mut beside = Beside::start(&site);
    let attendance = Attendance::new(site.0.context.limits.clone());
    let mut connections = JoinSet::new();
    tokio::select! {
        () = accept(&listener, &site, &mut connections, &attendance) => {}
        () = attendance.look_after() => {}
        () = asked_to_stop(&site, shutdown) => {}
    }
    drop(listener);
    site.0.context.stopping.close();
    let all = async {
        tokio::select! {
            () = async { while connections.join_next().await.is_some() {} } => {}
            () = attendance.retire() => {}
        }
        beside.finish().await;
    };
    if timeout(site.0.context.limits.shutdown(), all)
        .await
        .is_err()
    {
        tracing::warn!(target: "duck", left = connections.len(), tasks = beside.left(), "SHUTDOWN_TIMEOUT is over; closing what is left");
    }
    connections.shutdown().await;
    beside.end(&site).await;
}

/// Tells those who have to know before the last request is answered. A load balancer has `SHUTDOWN_DELAY` to notice.
async fn asked_to_stop(site: &Site, shutdown: impl Future<Output = ()>) {
    shutdown.await;
    site.0.context.stopping.begin();
    sleep(site.0.context.limits.shutdown_delay()).await;
}

async fn accept(
    listener: &TcpListener,
    site: &Site,
    connections: &mut JoinSet<()>,
    attendance: &Attendance,
) {
    let limits = &site.0.context.limits;
    let most = descriptors::fit(limits.max_connections);
    let room = Arc::new(Semaphore::new(most));
    let newcomers = Newcomers::new(limits.new_connections_per_address(most));
    let (mut told, mut told_of_newcomers) = (None, None);
    loop {
        // Nobody closes this semaphore.
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let (stream, peer) = next(listener, &mut told).await;
        let newcomer = newcomers.enter(peer.ip());
        if newcomer.is_some() || site.0.context.proxies.trusts(peer.ip()) {
            let vitals = attendance.enter();
            let connection = connection::serve(stream, peer, newcomer, site.clone(), vitals);
            connections.spawn(holding(permit, connection));
        } else if is_due(&mut told_of_newcomers) {
            tracing::warn!(target: "duck", address = %peer.ip(),
                "closed a connection: MAX_NEW_CONNECTIONS_PER_ADDRESS of this address have sent no request yet");
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn holding(permit: OwnedSemaphorePermit, connection: impl Future<Output = ()>) {
    let _counted = Open::new();
    connection.await;
    drop(permit);
}

/// Whether it is time to say something again that would fill the log.
fn is_due(told: &mut Option<Instant>) -> bool {
    let is_due = told.is_none_or(|told| told.elapsed() >= LONGEST_PAUSE);
    if is_due {
        *told = Some(Instant::now());
    }
    is_due
}

/// The next connection. Errors of one connection are passed over; when the process has no
/// descriptors left, accepting waits until some are free. That is logged once a second at most.
async fn next(listener: &TcpListener, told: &mut Option<Instant>) -> (TcpStream, SocketAddr) {
    let mut pause = Duration::from_millis(5);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if is_due(told) {
                    tracing::error!(target: "duck", %error, "cannot accept connections");
                }
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
