//! A body that is made while it is sent: it keeps to its length, and what goes wrong with it is logged.

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use http_body::{Frame, SizeHint};

use crate::app::floods::Floods;
use crate::app::log_kind::Kind;
use crate::error::Error;
use crate::error::printable::Quoted;
use crate::http::body::{Body, BoxError};
use crate::http::request_error::RequestError;
use crate::middleware::caught;
use crate::server::received::BrokenOff;

const BROKE_OFF: &str = "a response broke off";

/// The body of a response whose head has been decided on.
///
/// Its errors come when the status has gone out. They end the response in a way that the client
/// notices, and nobody but this tells the site.
pub(crate) struct Sending {
    body: Body,
    status: StatusCode,
    method: Method,
    uri: Uri,
    floods: Floods<Kind>,
    /// How much of the length it was given is still to come.
    left: Option<u64>,
    /// The last piece of that length. It waits until the body has ended: a body that goes on is wrong.
    last: Option<Bytes>,
}

impl Sending {
    /// The answer to a request, where `length` is the length that the head will name.
    pub(crate) fn new(
        body: Body,
        length: Option<u64>,
        status: StatusCode,
        method: &Method,
        uri: &Uri,
        floods: &Floods<Kind>,
    ) -> Self {
        Self {
            body,
            status,
            method: method.clone(),
            uri: uri.clone(),
            floods: floods.clone(),
            left: length,
            last: None,
        }
    }

    /// The next piece. A panic is an error like others.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Failure>> {
        let body = &mut self.body;
        let next = caught(|| poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut *body), cx)));
        Poll::Ready(match ready!(pin!(next).poll(cx)) {
            Ok(frame) => frame.transpose().map_err(Failure::Error),
            Err(panic) => Err(Failure::Panic(panic)),
        })
    }

    fn poll_sound(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Failure>> {
        loop {
            let Some(frame) = ready!(self.poll_piece(cx))? else {
                self.body = Body::empty();
                return Poll::Ready(match (self.last.take(), self.left) {
                    (Some(last), _) => Ok(Some(Frame::data(last))),
                    (None, Some(left @ 1..)) => Err(Failure::text(format!(
                        "the body ended {left} bytes before its Content-Length"
                    ))),
                    (None, _) => Ok(None),
                });
            };
            let Some(left) = self.left else {
                return Poll::Ready(Ok(Some(frame)));
            };
            // Trailers do not go with a length, and over HTTP/2 they would overtake the last piece.
            let Some(piece) = frame.data_ref() else {
                continue;
            };
            let left = left.checked_sub(piece.len() as u64).ok_or_else(|| {
                Failure::text("the body is longer than its Content-Length".to_owned())
            })?;
            self.left = Some(left);
            if left > 0 {
                return Poll::Ready(Ok(Some(frame)));
            }
            if !piece.is_empty() {
                self.last = frame.into_data().ok();
            }
        }
    }

    /// Tells the log, and makes an end of the body.
    fn fail(&mut self, failure: Failure) -> BoxError {
        (self.body, self.left, self.last) = (Body::empty(), None, None);
        let (error, is_panic) = match failure {
            Failure::Error(error) => (Error::internal(error), false),
            Failure::Panic(panic) => (panic, true),
        };
        let place = error.place().filter(|_| is_panic);
        let kind = Kind {
            place: place.cloned(),
            ..Kind::new(BROKE_OFF, self.status)
        };
        let (status, method) = (self.status.as_u16(), &self.method);
        let path = Quoted::path(self.uri.path());
        let (cause, place) = (
            Quoted::cause(error.chain()),
            place.map(tracing::field::display),
        );
        if is_the_clients(error.cause()) {
            tracing::debug!(target: "duck", status, %method, %path, %cause, "a response broke off with its request");
        } else if kind.is_admitted(&self.floods) {
            tracing::error!(target: "duck", status, %method, %path, %cause, place, "{BROKE_OFF}");
        }
        error.into_cause()
    }
}

/// Why a body breaks off.
enum Failure {
    Error(BoxError),
    Panic(Error),
}

impl Failure {
    fn text(text: String) -> Self {
        Self::Error(text.into())
    }
}

/// Whether it is the request's body that failed: a response is made of it, and the client broke it
/// off, or sent too much.
fn is_the_clients(cause: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(cause);
    while let Some(cause) = next {
        let refusal = cause.downcast_ref::<RequestError>();
        if cause.is::<BrokenOff>() || refusal.is_some_and(|error| error.status().is_client_error())
        {
            return true;
        }
        next = cause.source();
    }
    false
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let sound = ready!(self.poll_sound(cx));
        Poll::Ready(sound.map_err(|failure| self.fail(failure)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        match self.left {
            Some(left) => left == 0 && self.last.is_none(),
            None => self.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let last = self.last.as_ref().map_or(0, |piece| piece.len() as u64);
        match self.left {
            Some(left) => SizeHint::with_exact(left + last),
            None => self.body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream::unfold;
    use http_body_util::BodyExt;

    use super::*;

    fn sending(body: Body, length: Option<u64>) -> Sending {
        let (method, uri) = (Method::GET, Uri::from_static("/"));
        let floods = Floods::default();
        Sending::new(body, length, StatusCode::OK, &method, &uri, &floods)
    }

    #[tokio::test]
    async fn trailers_do_not_overtake_the_last_piece() {
        let frames = [
            Frame::data(Bytes::from("four")),
            Frame::trailers(http::HeaderMap::new()),
        ];
        let frames = futures_util::stream::iter(frames.map(Ok::<_, std::io::Error>));
        let body = Body::new(http_body_util::StreamBody::new(frames));
        let mut sending = sending(body, Some(4));
        let first = sending.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "four");
        assert!(sending.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_body_is_not_asked_again_after_its_end() {
        for length in [None, Some(4)] {
            // Asked again, this one panics.
            let pieces = unfold(false, async |is_sent| {
                (!is_sent).then(|| (Ok::<_, std::io::Error>(Bytes::from("four")), true))
            });
            let mut sending = sending(Body::stream(pieces), length);
            let whole = (&mut sending).collect().await.unwrap().to_bytes();
            assert_eq!(whole, "four", "{length:?}");
            assert!(sending.frame().await.is_none(), "{length:?}");
        }
    }
}
