//! The end of a connection whose client may still be sending.
//!
//! A socket that is closed with bytes in it that nobody has read resets the connection, and the reset
//! can overtake the response: the client, or the proxy, sees an error in its place. So the rest is
//! read and thrown away for a while: RFC 9112, 9.6.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A client that is still sending after this time does not look at its answer.
const LONGEST: Duration = Duration::from_secs(30);
/// Nor does one that has sent this much.
const MOST: usize = 64 * 1024 * 1024;
/// A client that is still sending sends [`LEAST`] bytes in this time.
const PACE: Duration = Duration::from_secs(1);
const LEAST: usize = 1024;

/// Reads what is still sent, and throws it away.
pub(super) struct Linger {
    start: Instant,
    taken: usize,
    /// What was taken when the last [`PACE`] was over.
    taken_before: usize,
    next_look: Pin<Box<Sleep>>,
}

impl Linger {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            taken: 0,
            taken_before: 0,
            next_look: Box::pin(sleep(PACE)),
        }
    }

    /// Done when the client has closed its side, or has had enough time for it.
    pub(super) fn poll<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut space = [MaybeUninit::uninit(); 16 * 1024];
        loop {
            let mut buffer = ReadBuf::uninit(&mut space);
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.taken += buffer.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => break,
            }
            if self.taken >= MOST {
                return Poll::Ready(());
            }
        }
        while self.next_look.as_mut().poll(cx).is_ready() {
            if self.taken - self.taken_before < LEAST || self.start.elapsed() >= LONGEST {
                return Poll::Ready(());
            }
            self.taken_before = self.taken;
            self.next_look.as_mut().reset(Instant::now() + PACE);
        }
        Poll::Pending
    }
}
