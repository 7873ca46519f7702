//! A request's body: read whole and kept, or streamed once.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::body::{Body, BoxError};
use crate::request_error::RequestError;

/// The body as it came, until somebody reads it, and the bytes from then on.
pub(super) struct RequestBody {
    source: Mutex<Source>,
    pub(super) whole: OnceCell<Bytes>,
}

enum Source {
    Unread(Body),
    /// Somebody reads it, or began to.
    Taken,
    /// It could not be read: who asks again gets the same answer.
    Refused(StatusCode, Cow<'static, str>),
}

impl RequestBody {
    pub(super) fn new(body: Body) -> Self {
        Self {
            source: Mutex::new(Source::Unread(body)),
            whole: OnceCell::new(),
        }
    }

    pub(super) fn take(&self) -> Result<Body, RequestError> {
        let mut source = self.source();
        match std::mem::replace(&mut *source, Source::Taken) {
            Source::Unread(body) => Ok(body),
            Source::Taken => Err(RequestError::internal(
                "the body was streamed, or its reading was broken off",
            )),
            Source::Refused(status, message) => {
                *source = Source::Refused(status, message.clone());
                Err(RequestError::new(status, message))
            }
        }
    }

    pub(super) async fn read(&self, limit: u64, time: Duration) -> Result<Bytes, RequestError> {
        let reading = read_whole(self.take()?, limit);
        let read = timeout(time, reading)
            .await
            .unwrap_or_else(|_| Err(too_slow()));
        if let Err(error) = &read {
            *self.source() = Source::Refused(error.status(), error.to_string().into());
        }
        read
    }

    fn source(&self) -> MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body as it arrives: [`Request::body_stream`](crate::Request::body_stream).
pub struct BodyStream {
    pub(super) body: Body,
    pub(super) left: u64,
    pub(super) time: Duration,
}

impl BodyStream {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    ///
    /// 413 past the limit; 408 when nothing comes for `BODY_TIMEOUT`; 400 when it breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RequestError> {
        let next = next_piece(&mut self.body, &mut self.left);
        timeout(self.time, next)
            .await
            .unwrap_or_else(|_| Err(too_slow()))
    }
}

impl fmt::Debug for BodyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.body.fmt(f)
    }
}

async fn read_whole(mut body: Body, mut left: u64) -> Result<Bytes, RequestError> {
    check_length(&body, left)?;
    let Some(first) = next_piece(&mut body, &mut left).await? else {
        return Ok(Bytes::new());
    };
    // Mostly there is no more than one piece: it is the body, uncopied.
    let Some(second) = next_piece(&mut body, &mut left).await? else {
        return Ok(first);
    };
    let mut whole = BytesMut::from(first);
    whole.extend_from_slice(&second);
    while let Some(piece) = next_piece(&mut body, &mut left).await? {
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

async fn next_piece(body: &mut Body, left: &mut u64) -> Result<Option<Bytes>, RequestError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(broken_off)?;
        if let Ok(piece) = frame.into_data() {
            *left = left
                .checked_sub(piece.len() as u64)
                .ok_or_else(over_the_limit)?;
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

pub(super) fn check_length(body: &Body, limit: u64) -> Result<(), RequestError> {
    if body.size_hint().lower() > limit {
        Err(over_the_limit())
    } else {
        Ok(())
    }
}

/// Layers around the site may have limits of their own.
fn broken_off(error: BoxError) -> RequestError {
    if error.is::<LengthLimitError>() {
        over_the_limit().because(error)
    } else {
        RequestError::bad_request("the body broke off").because(error)
    }
}

fn over_the_limit() -> RequestError {
    RequestError::too_large("the body is too large")
}

fn too_slow() -> RequestError {
    RequestError::new(StatusCode::REQUEST_TIMEOUT, "the body took too long")
}
