use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, StreamBody};

use crate::server::received::Received;

/// An error of any type, as bodies and tower layers pass them on.
pub type BoxError = Box<dyn StdError + Send + Sync>;

type BoxBody = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>;

/// What a request brings or a response sends: nothing, bytes, or a stream of bytes.
///
/// Only a stream costs an allocation of its own.
///
/// ```
/// use duck::http::Body;
///
/// let body = Body::from("hello");
/// assert_eq!(body.len(), Some(5));
/// assert_eq!(Body::empty().len(), Some(0));
/// ```
#[derive(Default)]
pub struct Body(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    /// As the site made it: [`Bytes`] of it would take an allocation more.
    Owned(Vec<u8>),
    Incoming(Received),
    Stream(BoxBody),
}

impl Body {
    /// Nothing.
    pub fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// Any other body.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut body = Some(body);
        // What is a `Body` already needs no box around it.
        if let Some(body) = (&mut body as &mut dyn Any).downcast_mut::<Option<Self>>() {
            return body.take().unwrap_or_default();
        }
        match body {
            Some(body) => Self(Kind::Stream(Box::pin(body.map_err(Into::into)))),
            None => Self::empty(),
        }
    }

    /// Pieces as they come. An error ends the response early, in a way the client notices.
    pub fn stream<S, E>(pieces: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        Self(Kind::Stream(Box::pin(StreamBody::new(
            pieces.map_ok(Frame::data).map_err(Into::into),
        ))))
    }

    /// What a request brings, if it brings anything.
    pub(crate) fn received<B: http_body::Body>(
        body: B,
        receive: impl FnOnce(B) -> Received,
    ) -> Self {
        if body.is_end_stream() {
            Self::empty()
        } else {
            Self(Kind::Incoming(receive(body)))
        }
    }

    /// Whether it is still made while it is sent, so that its head leaves first: a stream, or the body
    /// of a request that is passed on. A page is whole before.
    ///
    /// ```
    /// use duck::Bytes;
    /// use duck::http::Body;
    /// use futures_util::stream;
    ///
    /// let pieces = stream::iter([Ok::<_, std::io::Error>(Bytes::from("bit by bit"))]);
    /// assert!(Body::stream(pieces).is_made_while_sent());
    /// assert!(!Body::from("at once").is_made_while_sent());
    /// ```
    pub fn is_made_while_sent(&self) -> bool {
        matches!(self.0, Kind::Incoming(_) | Kind::Stream(_))
    }

    /// The whole of it, where it is as the site made it. Nothing is left then.
    pub(crate) fn take_owned(&mut self) -> Option<Vec<u8>> {
        match std::mem::take(&mut self.0) {
            Kind::Owned(bytes) => Some(bytes),
            other => {
                self.0 = other;
                None
            }
        }
    }

    /// How many bytes there are, when that is known beforehand.
    pub fn len(&self) -> Option<u64> {
        http_body::Body::size_hint(self).exact()
    }

    /// Whether it is known that there is nothing to come.
    pub fn is_empty(&self) -> bool {
        http_body::Body::is_end_stream(self)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let whole = |bytes| Poll::Ready(Some(Ok(Frame::data(bytes))));
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Kind::Empty;
                whole(bytes)
            }
            Kind::Owned(bytes) => {
                let bytes = std::mem::take(bytes).into();
                self.0 = Kind::Empty;
                whole(bytes)
            }
            Kind::Incoming(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Kind::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(_) | Kind::Owned(_) => false,
            Kind::Incoming(body) => body.is_end_stream(),
            Kind::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Owned(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Incoming(body) => body.size_hint(),
            Kind::Stream(body) => body.size_hint(),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            Self::empty()
        } else {
            Self(Kind::Full(bytes))
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() {
            Self::empty()
        } else {
            Self(Kind::Owned(bytes))
        }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0, self.len()) {
            (Kind::Empty, _) => f.write_str("Body(empty)"),
            (_, Some(length)) => write!(f, "Body({length} bytes)"),
            (_, None) => f.write_str("Body(stream)"),
        }
    }
}
