//! The body of a request on its stream of an HTTP/2 connection.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How much of a body that nobody reads is taken in, and for how long.
const MOST: usize = 64 * 1024 * 1024;
const LONGEST: Duration = Duration::from_secs(30);

/// A body on its way in.
pub(crate) struct Upload {
    /// It is here until what is left of it is thrown away.
    stream: Option<RecvStream>,
    /// How much is still to come, where the client has said so. h2 sees to it that this is true.
    left: Option<u64>,
    data_ended: bool,
    /// Told at the first reading.
    is_read: Option<oneshot::Sender<()>>,
}

impl Upload {
    /// `length` is what the client said.
    pub(super) fn new(stream: RecvStream, length: Option<u64>) -> Self {
        Self {
            stream: Some(stream),
            left: length,
            data_ended: false,
            is_read: None,
        }
    }

    /// Done at the first reading; an error when there will be none.
    pub(super) fn first_reading(&mut self) -> oneshot::Receiver<()> {
        let (is_read, told) = oneshot::channel();
        self.is_read = Some(is_read);
        told
    }

    /// Takes in what is still sent. If the stream were dropped, the client would be told with
    /// `RST_STREAM` to send no more (RFC 9113, 8.1), and some clients then lose the answer as well.
    pub(crate) fn throw_away(&mut self) {
        // Nobody is asked to go on for this.
        self.is_read = None;
        let (Some(stream), Ok(runtime)) = (self.stream.take(), Handle::try_current()) else {
            return;
        };
        let rest = Self {
            stream: Some(stream),
            left: None,
            data_ended: self.data_ended,
            is_read: None,
        };
        runtime.spawn(async { timeout(LONGEST, rest.read_and_forget()).await });
    }

    async fn read_and_forget(mut self) {
        let mut taken = 0;
        while taken < MOST
            && let Some(Ok(frame)) = self.frame().await
        {
            taken += frame.data_ref().map_or(0, Bytes::len);
        }
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Self {
            stream: Some(stream),
            left,
            data_ended,
            is_read,
        } = &mut *self
        else {
            return Poll::Ready(None);
        };
        if let Some(is_read) = is_read.take() {
            // Without anybody to hear it, the answer has been sent.
            let _ = is_read.send(());
        }
        if !*data_ended {
            match ready!(stream.poll_data(cx)).transpose() {
                Ok(Some(bytes)) => {
                    // The client may send as much again. It fails when the stream is over.
                    let _ = stream.flow_control().release_capacity(bytes.len());
                    *left = left.map(|left| left.saturating_sub(bytes.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Ok(None) => *data_ended = true,
                Err(error) => return Poll::Ready(end(error)),
            }
        }
        Poll::Ready(match ready!(stream.poll_trailers(cx)) {
            Ok(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
            Err(error) => end(error),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.stream.as_ref().is_none_or(RecvStream::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A stream that was ended without an error just ends: RFC 9113, 8.1.
fn end<T>(error: h2::Error) -> Option<Result<T, h2::Error>> {
    (error.reason() != Some(Reason::NO_ERROR)).then_some(Err(error))
}
