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
mod listener;
mod newcomers;
#[cfg(feature = "http2")]
mod opening;
#[cfg(feature = "http2")]
mod preface;
pub(crate) mod received;
pub(crate) mod sending;
pub(crate) mod socket;
pub(crate) mod threads;
#[cfg(feature = "tls")]
pub(crate) mod tls;
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
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::attendance::Attendance;
pub use self::listener::Listener;
use self::listener::is_due;
use self::newcomers::Newcomers;
use self::threads::{Seat, Threads};
pub use self::threads::{thread_count, thread_runtime};
#[cfg(feature = "tls")]
pub use self::tls::{Certificate, CertificateError, Tls, TlsStream};
use self::traffic::Open;
use crate::app::beside::{Beside, LAST_MOMENT};
use crate::app::site::Site;
use crate::app::stderr;

/// Serves a site until `shutdown` is done, and for `SHUTDOWN_DELAY` longer, then lets the requests and the timed
/// tasks under way finish, for `SHUTDOWN_TIMEOUT` at most.
///
/// [`App::run`](crate::App::run) does this with a socket and signals; call it yourself to embed a site in
/// a program of your own. The [`Listener`] may be tokio's `TcpListener` or `UnixListener`, `Tls` around either
/// (feature `tls`), or one of your own.
///
/// Connections run as tasks of the runtime that this is awaited in, on as many threads as that has. `WORKERS` and
/// `WORK_STEALING` are for [`App::run`](crate::App::run), which starts threads of its own.
///
/// ```no_run
/// # async fn main_task(site: duck::Site) -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
/// let stop = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
/// duck::server::serve(listener, site, stop).await;
/// # Ok(())
/// # }
/// ```
pub async fn serve<L: Listener>(listener: L, site: Site, shutdown: impl Future<Output = ()>) {
    serve_on(&Threads::of(&Handle::current()), listener, site, shutdown).await;
}

/// The same, with connections on these threads.
pub(crate) async fn serve_on<L: Listener>(
    threads: &Threads,
    mut listener: L,
    site: Site,
    shutdown: impl Future<Output = ()>,
) {
    let _log = stderr::in_background();
    let mut beside = Beside::start(&site);
    let attendance = Attendance::new(site.0.context.limits.clone());
    let mut connections = JoinSet::new();
    tokio::select! {
        () = accept(&mut listener, threads, &site, &mut connections, &attendance) => {}
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
    // A view that blocks its thread does not hear of it.
    let _ = timeout(LAST_MOMENT, connections.shutdown()).await;
    beside.end(&site).await;
}

/// Tells those who have to know before the last request is answered. A load balancer has `SHUTDOWN_DELAY` to notice.
async fn asked_to_stop(site: &Site, shutdown: impl Future<Output = ()>) {
    shutdown.await;
    site.0.context.stopping.begin();
    sleep(site.0.context.limits.shutdown_delay()).await;
}

async fn accept<L: Listener>(
    listener: &mut L,
    threads: &Threads,
    site: &Site,
    connections: &mut JoinSet<()>,
    attendance: &Attendance,
) {
    let limits = &site.0.context.limits;
    let most = descriptors::fit(limits.max_connections);
    let room = Arc::new(Semaphore::new(most));
    let newcomers = Newcomers::new(limits.new_connections_per_address(most));
    let mut told_of_newcomers = None;
    loop {
        // Nobody closes this semaphore.
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let (thread, stream, from) = threads.accept(listener).await;
        let address = from.peer.map(|peer| peer.ip());
        let newcomer = address.and_then(|address| newcomers.enter(address));
        // Programs of this machine have no address: who may use a Unix socket is said by its mode.
        if newcomer.is_some() || address.is_none() || site.0.context.proxies.is_trusted(from) {
            let (vitals, runtime) = (attendance.enter(), thread.runtime());
            let (site, its_runtime) = (site.clone(), runtime.clone());
            let serve =
                move || connection::serve::<L>(stream, from, newcomer, site, vitals, its_runtime);
            connections.spawn_on(holding(permit, thread.seat(), serve), runtime);
        } else if is_due(&mut told_of_newcomers) {
            tracing::warn!(target: "duck", address = address.map(tracing::field::display),
                "closed a connection: MAX_NEW_CONNECTIONS_PER_ADDRESS of this address have sent no request yet");
        }
        while connections.try_join_next().is_some() {}
    }
}

/// The future is made in here: one that is handed in would take its room in the task twice.
async fn holding<F: Future<Output = ()>>(
    permit: OwnedSemaphorePermit,
    seat: Seat,
    serve: impl FnOnce() -> F,
) {
    seat.taken();
    let _counted = Open::new();
    serve().await;
    drop((permit, seat));
}
