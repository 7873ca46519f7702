//! Where connections come from.

use std::future::Future;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::time::{Instant, sleep};

use crate::http::proxies::Connection;

/// Between two tries to accept a connection, where none can be.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What [`serve`](super::serve) takes connections from: tokio's [`TcpListener`] and [`UnixListener`], `Tls` around one of them, or
/// one of your own.
///
/// ```
/// use duck::http::Connection;
/// use duck::server::Listener;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
/// use tokio::sync::mpsc;
///
/// /// Connections inside of the process.
/// struct Inside(mpsc::Receiver<DuplexStream>);
///
/// impl Listener for Inside {
///     type Io = DuplexStream;
///
///     async fn accept(&mut self) -> (DuplexStream, Connection) {
///         match self.0.recv().await {
///             Some(stream) => (stream, Connection::default()),
///             None => std::future::pending().await,
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let app = duck::App::new(duck::Settings::default());
/// # let app = app.urls([duck::path("/", async |_: duck::Request| "quack")]);
/// let site = app.start().await.expect("a site");
/// let (sender, receiver) = mpsc::channel(8);
/// tokio::spawn(duck::server::serve(Inside(receiver), site, std::future::pending()));
///
/// let (mut client, server) = tokio::io::duplex(1024);
/// sender.send(server).await.expect("it accepts");
/// client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.expect("it reads");
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await.expect("it answers");
/// assert!(answer.ends_with("quack"));
/// # }
/// ```
pub trait Listener: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next connection, and says where it came from. There is no error to give back: a listener
    /// passes over connections that are gone, and waits where none can be accepted for now. The future may be
    /// dropped before its end. It is not the place for a handshake, which would keep others waiting: `Io` does
    /// that when it is first read.
    fn accept(&mut self) -> impl Future<Output = (Self::Io, Connection)> + Send;

    /// Looks for the end of what the client sends, while the site works on a request and nothing is read:
    /// `true` when the client has closed its side, `false` when bytes wait, which stay there for the next read;
    /// an error when the client is gone, which ends the view. A listener that cannot tell leaves this as it is:
    /// then a view of a client that is gone runs until it has something to say.
    fn poll_end(io: &mut Self::Io, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let _ = (io, cx);
        Poll::Pending
    }
}

impl Listener for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> (TcpStream, Connection) {
        let (stream, peer) = patiently(|| Self::accept(self)).await;
        // Small responses leave at once. Where the system refuses, they leave a little later.
        let _ = stream.set_nodelay(true);
        let from = Connection {
            peer: Some(peer),
            secure: false,
        };
        (stream, from)
    }

    fn poll_end(io: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        io.poll_peek(cx, &mut ReadBuf::new(&mut [0]))
            .map_ok(|waiting| waiting == 0)
    }
}

/// The connections are `TcpStream`s too: the system reads, writes, peeks and closes sockets of both families in
/// the same way, and so one and the same code serves them. They have no addresses.
impl Listener for UnixListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> (TcpStream, Connection) {
        let accept = || async {
            let (stream, _) = (*self).accept().await?;
            let socket = std::os::fd::OwnedFd::from(stream.into_std()?);
            TcpStream::from_std(std::net::TcpStream::from(socket))
        };
        (patiently(accept).await, Connection::default())
    }

    fn poll_end(io: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        TcpListener::poll_end(io, cx)
    }
}

/// The next connection. Errors of one connection are passed over; when the process has no
/// descriptors left, accepting waits until some are free. That is logged once a second at most.
async fn patiently<T, F>(accept: impl Fn() -> F) -> T
where
    F: Future<Output = io::Result<T>>,
{
    static TOLD: Mutex<Option<Instant>> = Mutex::new(None);
    let mut pause = Duration::from_millis(5);
    loop {
        match accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if is_due(&mut TOLD.lock().unwrap_or_else(PoisonError::into_inner)) {
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

/// Whether it is time to say something again that would fill the log.
pub(super) fn is_due(told: &mut Option<Instant>) -> bool {
    let is_due = told.is_none_or(|told| told.elapsed() >= LONGEST_PAUSE);
    if is_due {
        *told = Some(Instant::now());
    }
    is_due
}
