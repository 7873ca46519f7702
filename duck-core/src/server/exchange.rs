//! A request on its stream of an HTTP/2 connection, and its answer.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::{Buf, Bytes};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body::{Body as _, Frame};
use tokio::sync::oneshot;

use super::backlog::{Backlog, Queued, Turn};
use super::client::Client;
use super::date;
use super::upload::Upload;
use super::wire::{Piece, Wire};
use super::work::{Watching, Work};
use crate::http::body::{Body, BoxError};
use crate::http::response::Response;
use crate::server::framing;
use crate::server::received::Received;

/// What only HTTP/1 says (RFC 9113, 8.2.2), of what [`framing::settle`] leaves.
const OF_THE_CONNECTION: [HeaderName; 2] = [header::CONNECTION, header::UPGRADE];

/// The client has taken its request back, or is gone: there is nobody to answer.
struct Gone;

impl From<h2::Error> for Gone {
    fn from(_: h2::Error) -> Self {
        Self
    }
}

pub(super) struct Exchange {
    client: Arc<Client>,
    backlog: Arc<Backlog>,
    reply: SendResponse<Queued>,
}

impl Exchange {
    pub(super) fn new(
        client: Arc<Client>,
        backlog: Arc<Backlog>,
        reply: SendResponse<Queued>,
    ) -> Self {
        Self {
            client,
            backlog,
            reply,
        }
    }

    /// Answers a request, unless the client takes it back.
    pub(super) async fn answer(
        mut self,
        request: http::Request<RecvStream>,
        awaits_continue: bool,
    ) {
        // What became of it is the client's affair, or is in the log.
        let _ = self.try_answer(request, awaits_continue).await;
    }

    /// Answers a request without asking the site. Its body is read and thrown away.
    pub(super) async fn refuse(mut self, request: http::Request<RecvStream>, refusal: Response) {
        Upload::new(request.into_body(), None).throw_away();
        let _ = self.send(refusal.into_http(), None).await;
    }

    async fn try_answer(
        &mut self,
        request: http::Request<RecvStream>,
        awaits_continue: bool,
    ) -> Result<(), Gone> {
        let (head, stream) = request.into_parts();
        let length = framing::named_length(&head.headers);
        let mut upload = Upload::new(stream, length);
        let mut first_reading = awaits_continue.then(|| upload.first_reading());
        let body = Body::received(upload, |upload| Received::http2(upload, awaits_continue));

        let backlog = self.backlog.clone();
        let turn = self.unless_gone(backlog.turn(), &mut None).await?;
        let mut work = Work::begin(self.client.vitals.clone());
        let client = self.client.clone();
        let view = client.site.take_in(head, body, client.from).respond();
        let response = self.unless_gone(view, &mut first_reading).await?;
        let mut response = response.into_http();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            response = framing::without_switching(&response);
        }
        if !response.body().is_made_while_sent() {
            work.end();
            return self.send(response, turn).await;
        }
        drop(turn);
        if first_reading
            .is_some_and(|mut told| told.try_recv() != Err(oneshot::error::TryRecvError::Closed))
        {
            // The answer may be made of the body, and after its head there is no asking for it.
            self.go_on();
        }
        let response = response.map(|body| Body::new(Watching { body, work }));
        self.send(response, None).await
    }

    /// What comes of the site's work, which ends where nobody waits for it. Meanwhile the first reading of
    /// the request's body is answered with `100 Continue`: RFC 9110, 10.1.1.
    async fn unless_gone<F: Future>(
        &mut self,
        work: F,
        first_reading: &mut Option<oneshot::Receiver<()>>,
    ) -> Result<F::Output, Gone> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let output = work.as_mut().poll(cx);
            if let Some(told) = first_reading
                && let Poll::Ready(is_read) = Pin::new(told).poll(cx)
            {
                *first_reading = None;
                if is_read.is_ok() {
                    self.go_on();
                }
            }
            match output {
                Poll::Ready(output) => Poll::Ready(Ok(output)),
                Poll::Pending => self.reply.poll_reset(cx).map(|_| Err(Gone)),
            }
        })
        .await
    }

    /// Tells the client to send the body. Where that fails, it is gone, which shows soon enough.
    fn go_on(&mut self) {
        let mut interim = http::Response::new(());
        *interim.status_mut() = StatusCode::CONTINUE;
        let _ = self.reply.send_informational(interim);
    }

    async fn send(&mut self, response: http::Response<Body>, turn: Turn) -> Result<(), Gone> {
        let (mut head, body) = response.into_parts();
        for name in &OF_THE_CONNECTION {
            head.headers.remove(name);
        }
        head.headers.entry(header::DATE).or_insert_with(date::now);
        let ends_here = body.is_empty();
        if let Some(length) = body.len().filter(|_| !ends_here) {
            let length = HeaderValue::from(length);
            head.headers.entry(header::CONTENT_LENGTH).or_insert(length);
        }
        if !ends_here && !body.is_made_while_sent() && self.backlog.is_full() {
            tracing::warn!(target: "duck", status = head.status.as_u16(), peer = ?self.client.from.peer,
                "a response was dropped: its client takes nothing of those that wait for it");
            self.reply.send_reset(Reason::ENHANCE_YOUR_CALM);
            return Err(Gone);
        }
        let head = http::Response::from_parts(head, ());
        let mut stream = match self.reply.send_response(head, ends_here) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(target: "duck", %error, "a response could not be sent");
                self.reply.send_reset(Reason::INTERNAL_ERROR);
                return Err(Gone);
            }
        };
        if ends_here {
            return Ok(());
        }
        self.send_pieces(&mut stream, Wire(body), turn).await
    }

    /// A page is one piece, which has its turn. A body that is made while it is sent is made as fast as the
    /// client takes it.
    async fn send_pieces(
        &self,
        stream: &mut SendStream<Queued>,
        mut body: Wire,
        mut turn: Turn,
    ) -> Result<(), Gone> {
        loop {
            let frame = match next(stream, &mut body).await? {
                Some(Ok(frame)) => frame,
                // The log was told by `Sending`. To the client a reset says that this is not the end.
                Some(Err(_)) => {
                    stream.send_reset(Reason::INTERNAL_ERROR);
                    return Err(Gone);
                }
                None => {
                    let nothing = Piece::Shared(Bytes::new());
                    return Ok(stream.send_data(self.backlog.queue(nothing, None), true)?);
                }
            };
            let piece = match frame.into_data() {
                Ok(piece) => piece,
                Err(frame) => match frame.into_trailers() {
                    Ok(trailers) => return Ok(stream.send_trailers(trailers)?),
                    Err(_) => continue,
                },
            };
            let is_last = body.is_end_stream();
            if piece.has_remaining() {
                let piece = self.backlog.queue(piece, turn.take());
                room(stream).await?;
                stream.send_data(piece, is_last)?;
                if is_last {
                    return Ok(());
                }
            }
        }
    }
}

/// The next frame of a body, unless its client goes away before.
async fn next(
    stream: &mut SendStream<Queued>,
    body: &mut Wire,
) -> Result<Option<Result<Frame<Piece>, BoxError>>, Gone> {
    poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(Ok(frame)),
        Poll::Pending => stream.poll_reset(cx).map(|_| Err(Gone)),
    })
    .await
}

/// Waits until the client takes a byte. Nothing more is asked for: what one stream has of the connection's
/// window, others have not.
async fn room(stream: &mut SendStream<Queued>) -> Result<(), Gone> {
    stream.reserve_capacity(1);
    while stream.capacity() == 0 {
        match poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(Gone),
        }
    }
    Ok(())
}
