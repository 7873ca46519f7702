//! The server: accepts connections, and stops without dropping any.

mod connection;
pub(crate) mod descriptors;
pub(crate) mod framing;
mod heads;
pub(crate) mod limits;
mod linger;
pub(crate) mod received;
pub(crate) mod sending;
mod vitals;
mod watched;
mod wire;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::app::site::Site;

/// Between two tries to accept a connection, where none can be.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Serves a site until `shutdown` is done, then lets the requests under way finish, for
/// `SHUTDOWN_TIMEOUT` at most.
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
    let mut background: JoinSet<()> = site.0.hooks.background.iter().map(|task| task()).collect();
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    tokio::select! {
        () = accept(&listener, &site, &mut connections, &stopping) => {}
        () = shutdown => {}
    }
    drop(listener);
    drop(stop);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(site.0.context.limits.shutdown(), all)
        .await
        .is_err()
    {
        tracing::warn!(target: "duck", left = connections.len(), "SHUTDOWN_TIMEOUT is over; closing what is left");
    }
    connections.shutdown().await;
    background.shutdown().await;
    site.stop().await;
}

async fn accept(
    listener: &TcpListener,
    site: &Site,
    connections: &mut JoinSet<()>,
    stopping: &watch::Receiver<()>,
) {
    let most = descriptors::fit(site.0.context.limits.max_connections);
    let room = Arc::new(Semaphore::new(most));
    let mut told = None;
    loop {
        // Nobody closes this semaphore.
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let (stream, peer) = next(listener, &mut told).await;
        connections.spawn(run(stream, peer, site.clone(), stopping.clone(), permit));
        while connections.try_join_next().is_some() {}
    }
}

async fn run(
    stream: TcpStream,
    peer: SocketAddr,
    site: Site,
    stopping: watch::Receiver<()>,
    permit: OwnedSemaphorePermit,
) {
    connection::serve(stream, peer, site, stopping).await;
    drop(permit);
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
                if told.is_none_or(|told| told.elapsed() >= LONGEST_PAUSE) {
                    tracing::error!(target: "duck", %error, "cannot accept connections");
                    *told = Some(Instant::now());
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
