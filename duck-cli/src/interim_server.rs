//! Answers on the site's socket while there is no site: before the first build is done, and after
//! one that failed. It is stopped before a site is started, so that no request of a site's visitors
//! comes here.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::failure::{Context, Result};
use crate::interim_page::InterimPage;

/// For the head of a request to arrive; and again for what follows it, which nobody reads.
const PATIENCE: Duration = Duration::from_secs(5);

/// A head is not read further than this.
const MAX_HEAD: usize = 64 * 1024;

/// Connections beyond this many are closed.
const MAX_CONNECTIONS: usize = 64;

/// A server whose only answer is the interim page.
#[derive(Debug)]
pub(crate) struct InterimServer {
    listener: TcpListener,
    /// Closed to stop: whoever waits polls the other end.
    running: UnixStream,
    acceptor: JoinHandle<()>,
}

impl InterimServer {
    pub(crate) fn start(listener: &TcpListener, page: &InterimPage) -> Result<Self> {
        let cannot = || "cannot answer while the site is built".to_owned();
        let listener = listener.try_clone().context(cannot)?;
        let (running, ended) = UnixStream::pair().context(cannot)?;
        // A connection that was there may be gone when it is accepted.
        listener.set_nonblocking(true).context(cannot)?;
        let (shared, page) = (listener.try_clone().context(cannot)?, page.clone());
        let acceptor = thread::spawn(move || accept(&shared, &Arc::new(ended), &page));
        Ok(Self {
            listener,
            running,
            acceptor,
        })
    }

    /// Accepts no more. Connections on which nothing was asked yet are closed: what browsers open ahead
    /// would bring this page after the site is there. Others get their answer.
    pub(crate) fn stop(self) -> Result {
        drop(self.running);
        // It has nothing to give back.
        let _ = self.acceptor.join();
        let cannot = || "cannot hand the socket to the site".to_owned();
        self.listener.set_nonblocking(false).context(cannot)
    }
}

fn accept(listener: &TcpListener, ended: &Arc<UnixStream>, page: &InterimPage) {
    while first_ready(&[ended.as_fd(), listener.as_fd()], None) == Some(1) {
        match listener.accept() {
            Ok((stream, _)) if Arc::strong_count(ended) <= MAX_CONNECTIONS => {
                let (ended, page) = (Arc::clone(ended), page.clone());
                // A visitor who leaves is no concern.
                thread::spawn(move || drop(answer(&stream, &ended, &page)));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // No descriptors left, say: there may be some in a moment.
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Waits for the first of these sockets that has something to read, and gives its place; nothing when
/// the time is over. Of several the one further ahead counts.
fn first_ready(sockets: &[BorrowedFd<'_>], until: Option<Instant>) -> Option<usize> {
    let watch = |socket| PollFd::from_borrowed_fd(socket, PollFlags::IN);
    let mut watched: Vec<_> = sockets.iter().copied().map(watch).collect();
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut watched, left.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
            Ok(_) => {
                return watched
                    .iter()
                    .position(|socket| !socket.revents().is_empty());
            }
        }
    }
}

fn answer(stream: &TcpStream, ended: &UnixStream, page: &InterimPage) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = read_head(stream, ended)?;
    let Some(method) = head
        .split(u8::is_ascii_whitespace)
        .next()
        .filter(|_| !head.is_empty())
    else {
        return Ok(());
    };
    let mut out = stream;
    out.write_all(&page.answer(method))?;
    stream.shutdown(Shutdown::Write)?;
    // Bytes that nobody has read would make the system tear down the answer.
    let until = Instant::now() + PATIENCE;
    let mut unread = [0; 16 * 1024];
    while first_ready(&[stream.as_fd()], Some(until)).is_some() && { stream }.read(&mut unread)? > 0
    {
    }
    Ok(())
}

/// What arrives up to the empty line, or what there is of it when the time is over.
fn read_head(mut stream: &TcpStream, ended: &UnixStream) -> io::Result<Vec<u8>> {
    let until = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    let sockets = [stream.as_fd(), ended.as_fd()];
    loop {
        // Once something was asked, it is answered.
        let watched = if head.is_empty() {
            &sockets[..]
        } else {
            &sockets[..1]
        };
        if first_ready(watched, Some(until)) != Some(0) {
            break;
        }
        let count = stream.read(&mut piece)?;
        head.extend(&piece[..count]);
        let is_whole = has_end(&head) || head.len() > MAX_HEAD;
        if count == 0 || is_whole {
            break;
        }
    }
    Ok(head)
}

fn has_end(head: &[u8]) -> bool {
    head.windows(2).any(|end| end == b"\n\n") || head.windows(4).any(|end| end == b"\r\n\r\n")
}
