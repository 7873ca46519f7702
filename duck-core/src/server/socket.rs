//! The socket that a site listens at: TCP or Unix, its own or handed over.

use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use std::time::Duration;

use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;

use super::listener::Listener;
use crate::http::proxies::Connection;

/// What stands before the path of a Unix socket.
const UNIX: &str = "unix:";

/// A server that listens answers a connection within this time, if only by letting it wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// The path of `unix:/run/mysite.sock`; `None` for what is a host and a port.
pub(crate) fn unix_path(address: &str) -> Option<&Path> {
    address.strip_prefix(UNIX).map(Path::new)
}

/// A listening socket of either family. Its connections are all of one type.
pub(crate) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Socket {
    /// The `index`th of those that systemd or `duck run` handed over.
    pub(crate) fn inherited(handed_over: &mut ListenFd, index: usize) -> io::Result<Option<Self>> {
        // Each leaves a socket of the other family where it is, and says that it is none of its own.
        match handed_over.take_tcp_listener(index) {
            Ok(None) => return Ok(None),
            Ok(Some(listener)) => {
                listener.set_nonblocking(true)?;
                return Ok(Some(Self::Tcp(TcpListener::from_std(listener)?)));
            }
            Err(_) => {}
        }
        let Some(listener) = handed_over.take_unix_listener(index)? else {
            return Ok(None);
        };
        listener.set_nonblocking(true)?;
        Ok(Some(Self::Unix(UnixListener::from_std(listener)?)))
    }

    /// One at a host and a port.
    pub(crate) async fn tcp(address: &str) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self::Tcp)
    }

    /// One at a path, with these permissions. A socket that a process left there when it ended is replaced; one
    /// at which somebody listens, and a file that is no socket, are not.
    pub(crate) async fn unix(path: &Path, mode: u32) -> io::Result<Self> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && is_left_over(path).await? => {
                fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        Ok(Self::Unix(listener))
    }

    /// Where it listens, if that is an address.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }
}

/// Whether nobody listens at this socket any more.
async fn is_left_over(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::other("a file is there that is no socket"));
    }
    let connected = timeout(PATIENCE, UnixStream::connect(path)).await;
    Ok(matches!(connected, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused))
}

/// As a URL, without its scheme where it is an address.
impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(_) => f.write_str("an unknown address"),
            },
            Self::Unix(listener) => {
                let address = listener.local_addr().ok();
                let path = address.and_then(|address| address.as_pathname().map(PathBuf::from));
                write!(f, "{UNIX}{}", path.unwrap_or_default().display())
            }
        }
    }
}

impl Listener for Socket {
    type Io = TcpStream;

    async fn accept(&mut self) -> (TcpStream, Connection) {
        match self {
            Self::Tcp(listener) => Listener::accept(listener).await,
            Self::Unix(listener) => Listener::accept(listener).await,
        }
    }

    fn poll_end(io: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        TcpListener::poll_end(io, cx)
    }
}
