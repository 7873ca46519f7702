//! Responses of server-sent events.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::poll_fn;
use http::header::{self, HeaderName, HeaderValue};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::event::Event;
use super::revocation::Revocation;
use crate::error::{Error, Result};
use crate::http::body::BoxError;
use crate::http::request::Request;
use crate::http::response::{Response, stream};
use crate::http::stream_with::made_by;

/// A comment is sent when there was no event for this long: proxies cut off what keeps still for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Has nginx pass on each event at once.
static X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Server-sent events (the HTML standard, 9.2), as a page reads them with `new EventSource("/news")`.
///
/// The events are sent as the stream gives them. Where it gives none for 15 seconds, a comment is sent, which
/// keeps proxies from cutting off the connection, and shows when the visitor is gone: the stream is dropped then.
/// What [`stream`](crate::http::stream()) says of errors, sessions and `WRITE_TIMEOUT` is so here too.
///
/// The response ends when the stream does, when the server stops, and when the visitor's session is over, if the
/// view or a middleware has asked for it: see [`Session::watch`](crate::Session::watch) for how soon. The browser
/// connects again after each end, unless it is answered with something else, such as a redirect or an error.
///
/// ```
/// use duck::live::{Event, sse};
/// use duck::{Request, Response};
/// use futures_util::stream;
///
/// async fn news(request: Request) -> Response {
///     let events = stream::iter(1..=3).map(|number| Event::new(format!("news {number}")).id(number));
///     sse(&request, events)
/// }
/// # use futures_util::StreamExt;
/// # use duck::{App, Settings, path, testing::TestClient};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let site = TestClient::start(App::new(Settings::default()).urls([path("/news", news)])).await;
/// let answer = site.get("/news").await;
/// assert_eq!(answer.header("content-type"), Some("text/event-stream"));
/// assert!(answer.text().starts_with("id: 1\ndata: news 1\n\nid: 2\n"));
/// # }
/// ```
pub fn sse<S, E>(request: &Request, events: S) -> Response
where
    S: Stream<Item = Result<Event, E>> + Send + 'static,
    E: Into<BoxError> + 'static,
{
    let mut events = Box::pin(events);
    let mut revoked = Revocation::of(request.session.clone(), request.session.clone());
    let mut stopped = Box::pin(request.context().stopping.closed());
    let mut silence = Box::pin(sleep(KEEP_ALIVE));
    let pieces = poll_fn(move |cx| {
        if stopped.as_mut().poll(cx).is_ready() || pin!(&mut revoked).poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        let piece = match events.as_mut().poll_next(cx) {
            Poll::Ready(event) => event.map(|event| event.map(Event::into_bytes)),
            Poll::Pending if silence.as_mut().poll(cx).is_ready() => {
                Some(Ok(Bytes::from_static(b":\n\n")))
            }
            Poll::Pending => return Poll::Pending,
        };
        silence.as_mut().reset(Instant::now() + KEEP_ALIVE);
        Poll::Ready(piece)
    });
    let no_store = const { HeaderValue::from_static("no-store") };
    let unbuffered = const { HeaderValue::from_static("no") };
    stream("text/event-stream", pieces)
        .with(header::CACHE_CONTROL, no_store)
        .with(X_ACCEL_BUFFERING.clone(), unbuffered)
}

/// [`sse`] with the events that an async closure sends, as [`stream_with`](crate::http::stream_with) is to
/// [`stream`](crate::http::stream()): the closure runs while they are sent, and is dropped when the visitor
/// leaves or the response ends for another reason.
///
/// ```
/// use duck::live::{Event, sse_with};
/// use duck::{Request, Response, Result};
/// use tokio::sync::watch;
///
/// async fn visitors(request: Request) -> Result<Response> {
///     let mut count = request.state::<watch::Receiver<u64>>()?.clone();
///     Ok(sse_with(&request, async move |events| {
///         loop {
///             let now = *count.borrow_and_update();
///             events.send(Event::new(now.to_string())).await?;
///             count.changed().await?;
///         }
///     }))
/// }
/// # use duck::{App, Settings, path, testing::TestClient};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let (sender, receiver) = watch::channel(3_u64);
/// # drop(sender);
/// # let app = App::new(Settings::default()).state(receiver).urls([path("/", visitors)]);
/// # assert!(TestClient::start(app).await.get("/").await.body().is_err());
/// # }
/// ```
pub fn sse_with<F, Running>(request: &Request, make: F) -> Response
where
    F: FnOnce(Events) -> Running,
    Running: Future<Output = Result<()>> + Send + 'static,
{
    sse(request, made_by(|sender| make(Events(sender))))
}

/// Where the closure of [`sse_with`] sends its events. Clones send to the same visitor.
#[derive(Debug, Clone)]
pub struct Events(mpsc::Sender<Event>);

impl Events {
    /// Sends an event, as soon as the visitor has taken those before it.
    ///
    /// # Errors
    ///
    /// When the visitor has left.
    pub async fn send(&self, event: Event) -> Result<()> {
        let sent = self.0.send(event).await;
        sent.map_err(|_| Error::internal("the visitor left while events were being sent"))
    }
}

impl Request {
    /// The id of the last event that the browser got before it lost the connection, where it says so: what came
    /// after it can be sent first. It is whatever the client sends, up to `MAX_HEAD_BYTES`.
    ///
    /// ```
    /// # use duck::Request;
    /// async fn news(request: Request) -> String {
    ///     let last: u64 = request.last_event_id().and_then(|id| id.parse().ok()).unwrap_or(0);
    ///     format!("what came after {last}")
    /// }
    /// ```
    pub fn last_event_id(&self) -> Option<&str> {
        let id = self.headers().get("last-event-id")?;
        std::str::from_utf8(id.as_bytes()).ok()
    }
}
