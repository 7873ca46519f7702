//! Bodies that an async closure sends piece by piece.

use std::future::Future;
use std::task::Poll;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::poll_fn;
use tokio::sync::mpsc;

use crate::error::{Error, Result};
use crate::http::response::{Response, stream};

/// A body that an async closure sends piece by piece. The closure runs while the body is sent, and
/// no further ahead of the visitor than one piece; it is dropped when the visitor leaves.
///
/// ```
/// use duck::{Request, Response};
/// use duck::http::stream_with;
///
/// async fn report(request: Request) -> Response {
///     stream_with("text/csv", async move |pieces| {
///         for line in 1..=3 {
///             pieces.send(format!("{line},{}\n", line * line)).await?;
///         }
///         Ok(())
///     })
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # use duck::{App, Settings, path, testing::TestClient};
/// # let site = TestClient::start(App::new(Settings::default()).urls([path("/", report)])).await;
/// # assert_eq!(site.get("/").await.text(), "1,1\n2,4\n3,9\n");
/// # }
/// ```
///
/// An error breaks the response off, in a way that the visitor's browser notices: its head has left
/// by then. As with [`stream`], sessions are saved before the first piece.
pub fn stream_with<F, Running>(media_type: &'static str, make: F) -> Response
where
    F: FnOnce(Pieces) -> Running,
    Running: Future<Output = Result<()>> + Send + 'static,
{
    stream(media_type, made_by(|sender| make(Pieces(sender))))
}

/// What a closure sends while it runs, no further ahead than one of them, and its error at the end.
pub(crate) fn made_by<T, Running>(
    make: impl FnOnce(mpsc::Sender<T>) -> Running,
) -> impl Stream<Item = Result<T>> + Send + 'static
where
    T: Send + 'static,
    Running: Future<Output = Result<()>> + Send + 'static,
{
    let (sender, mut sent) = mpsc::channel(1);
    let mut running = Some(Box::pin(make(sender)));
    let mut failure = None;
    poll_fn(move |cx| {
        if let Some(closure) = &mut running
            && let Poll::Ready(end) = closure.as_mut().poll(cx)
        {
            (running, failure) = (None, end.err());
        }
        match sent.poll_recv(cx) {
            Poll::Ready(Some(piece)) => Poll::Ready(Some(Ok(piece))),
            Poll::Ready(None) if running.is_none() => Poll::Ready(failure.take().map(Err)),
            _ => Poll::Pending,
        }
    })
}

/// Where the closure of [`stream_with`] sends its pieces. Clones send to the same body.
#[derive(Debug, Clone)]
pub struct Pieces(mpsc::Sender<Bytes>);

impl Pieces {
    /// Sends a piece, as soon as the visitor has taken those before it.
    ///
    /// # Errors
    ///
    /// When the visitor has left.
    pub async fn send(&self, piece: impl Into<Bytes>) -> Result<()> {
        let sent = self.0.send(piece.into()).await;
        sent.map_err(|_| Error::internal("the visitor left while the response was being sent"))
    }
}
